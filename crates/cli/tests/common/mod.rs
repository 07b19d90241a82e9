//! The built program, and a broker of it.
#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod account;
pub(crate) mod conversation;

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, Command, Output, Stdio},
};

pub(crate) fn stompbox(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stompbox"));
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STOMPBOX_") {
            command.env_remove(name);
        }
    }
    // Contexts of whoever runs the tests are not looked at.
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

pub(crate) struct Serve {
    child: Child,
    pub(crate) urls: [String; 2],
}

/// Nothing goes on running after a test that does not stop it, or fails.
impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serve {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::at(["127.0.0.1:0"; 2], options)
    }

    /// On addresses for STOMP and HTTP.
    pub(crate) fn at([stomp, http]: [&str; 2], options: &[&str]) -> Self {
        let args = [&["serve", "--stomp", stomp, "--http", http], options].concat();
        let mut child = stompbox(&args).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut url = |what: &str| {
            let line = lines.next().unwrap().unwrap();
            assert!(line.starts_with(what), "{line}");
            line.split_whitespace().nth(1).unwrap().to_owned()
        };
        let urls = [url("STOMP "), url("WebSocket ")];
        assert!(url("Pages ").starts_with("http://127.0.0.1:"));
        assert!(url("Chat ").ends_with("/chat/"));
        Self { child, urls }
    }

    /// SIGTERM, then the exit code and what was on standard error.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        (self.child.wait().unwrap().code(), errors)
    }
}

pub(crate) fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Runs it: the exit code, standard output, standard error.
pub(crate) fn run(args: &[&str]) -> (Option<i32>, String, String) {
    text(&stompbox(args).output().unwrap())
}

/// Runs it with a text as standard input.
pub(crate) fn run_with(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = stompbox(args).stdin(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    text(&child.wait_with_output().unwrap())
}

/// Runs it, and gives what it printed; it is to succeed.
pub(crate) fn good(args: &[&str]) -> String {
    let (code, out, errors) = run(args);
    assert_eq!(code, Some(0), "{args:?}: {out}{errors}");
    out
}
