//! `stompbox shell`.

mod complete;
mod inbox;
mod line;
mod prompt;
mod screen;
mod session;
mod verbs;

use std::{
    io::{IsTerminal as _, stdin},
    sync::{Arc, Mutex},
};

use futures_util::StreamExt as _;
use stompbox::{Client, Closed, Event, Events, Reconnect};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use self::{
    complete::Known,
    screen::Screen,
    session::{Next, Session},
};
use crate::{
    args::Shell,
    events,
    exit::{Exit, Failure},
    frames::{divert, printable, printable_lines},
    target::{Target, leave},
};

/// Runs a prompt on a terminal, or a script.
pub(crate) async fn run(args: Shell) -> Result<(), Failure> {
    let target = Target::of(&args.connect)?;
    let mut options = target.options(&args.connect)?;
    let is_prompt = args.file.is_none() && stdin().is_terminal();
    if is_prompt {
        // Somebody who sits there wants to go on; a script says --retry.
        options = options.reconnect(Reconnect::default().first_connect(args.connect.retry));
    }
    let client = target.connect(options).await?;
    let known = Arc::new(Mutex::new(Known::default()));
    if !is_prompt {
        let screen = Screen::new(None, args.output)?;
        let session = Session::new(client.clone(), screen.clone(), known);
        return script(&args, client, session, screen).await;
    }
    let history = match args.no_history {
        true => None,
        false => prompt::history(),
    };
    let server = client.connected_header("server").unwrap_or_default();
    eprintln!(
        "{}  STOMP {}  {}\nhelp lists the verbs, Tab completes, Ctrl-D ends",
        target.servers.join(","),
        client.version(),
        printable(&server)
    );
    let events = client.events();
    let (mut lines, above) = prompt::start(Arc::clone(&known), history, target.passcode)?;
    divert(above.clone());
    let screen = Screen::new(Some(above), args.output)?;
    tokio::spawn(watch(events, screen.clone()));
    let mut session = Session::new(client.clone(), screen, known);
    while let Some((line, done)) = lines.recv().await {
        let result = tokio::select! {
            result = session.execute(&line, 0) => result,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        };
        match result {
            Ok(Next::Go) => {}
            Ok(Next::Quit) => break,
            Err(error) => eprintln!("{}", printable_lines(&Exit::text_of(&*error))),
        }
        // The prompt may have ended with the terminal.
        let _ = done.send(());
    }
    drop(session);
    match client.disconnect().await {
        // What went wrong was told when it happened.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Does what a file or standard input says, up to the first line that fails.
async fn script(
    args: &Shell,
    client: Client,
    mut session: Session,
    screen: Screen,
) -> Result<(), Failure> {
    tokio::spawn(watch(client.events(), screen));
    let work = async {
        if let Some(path) = &args.file {
            let path = path.to_string_lossy();
            return session.run(&path, 1).await.map(drop);
        }
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut number = 0;
        while let Some(line) = lines.next_line().await? {
            number += 1;
            match session.execute(&line, 0).await {
                Ok(Next::Go) => {}
                Ok(Next::Quit) => break,
                Err(error) => return Err(Exit::at(&format!("line {number}"), error)),
            }
        }
        Ok(())
    };
    tokio::select! {
        result = work => result?,
        _ = tokio::signal::ctrl_c() => return Err(Exit::interrupted()),
    }
    drop(session);
    leave(&client).await
}

/// Tells what happens to the connection.
async fn watch(mut happened: Events, screen: Screen) {
    while let Some(event) = happened.next().await {
        match &event {
            Event::Unexpected(message) | Event::LateReply(message) => {
                screen.event("a message for which nobody waits:").await;
                if screen.message(message).await.is_err() {
                    return;
                }
                continue;
            }
            Event::Closed {
                reason: Closed::Disconnected,
            } => continue,
            // A script's exit tells it.
            Event::Closed { reason } if screen.is_prompt() => {
                let text = format!("the connection has ended: {reason}; quit, and begin anew");
                screen.event(&text).await;
                continue;
            }
            _ => {}
        }
        let Some(text) = events::text(&event) else {
            continue;
        };
        screen.event(&text).await;
    }
}
