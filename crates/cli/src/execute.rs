//! Running the user's command for a message.

use std::process::Stdio;

use stompbox::Message;
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::exit::Failure;

/// What became of it.
pub(crate) struct Executed {
    pub(crate) success: bool,
    pub(crate) output: Vec<u8>,
}

/// Runs a shell command with the message's body as standard input, and its destination and headers
/// in the environment: `STOMP_DESTINATION`, `STOMP_MESSAGE_ID` and so on. No part of the message is
/// in the command itself.
pub(crate) async fn execute(command: &str, message: &Message) -> Result<Executed, Failure> {
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    for (name, value) in message.headers() {
        // An environment holds no NUL, and a frame's headers might, escaped, in no version.
        if !value.contains('\0') {
            shell.env(variable(name), value);
        }
    }
    let mut child = shell
        .spawn()
        .map_err(|error| format!("can't run {command:?}: {error}"))?;
    let input = child.stdin.take();
    let feed = async {
        if let Some(mut input) = input {
            // A command need not read its input.
            let _ = input.write_all(message.body()).await;
        }
    };
    let (_, output) = tokio::join!(feed, child.wait_with_output());
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    Ok(Executed {
        success: output.status.success(),
        output: output.stdout,
    })
}

/// `STOMP_MESSAGE_ID` for `message-id`.
fn variable(header: &str) -> String {
    let letters = header.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
        _ => '_',
    });
    "STOMP_".chars().chain(letters).collect()
}
