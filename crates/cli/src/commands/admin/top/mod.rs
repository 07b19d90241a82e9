//! `stompbox top`.

mod columns;
mod draw;
mod look;
mod state;
#[cfg(test)]
mod tests;
mod words;

use std::{
    env,
    io::{IsTerminal as _, Write as _, stdin, stdout},
    time::Duration,
};

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use ratatui::DefaultTerminal;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    time::sleep,
};

use self::{
    draw::draw,
    look::{Shot, Wanted, Watch},
    state::{Next, SHORTEST, State},
};
use super::{api::Api, text::json};
use crate::{
    args::{Report, Top},
    exit::{Exit, Failure, USAGE},
};

/// Shows a broker until it is enough.
pub(crate) async fn top(args: Top) -> Result<(), Failure> {
    if args.interval < SHORTEST {
        let shortest = humantime::format_duration(SHORTEST);
        return Err(format!("--interval is at least {shortest}").into());
    }
    let is_terminal = stdin().is_terminal() && stdout().is_terminal();
    let count = match (args.once, args.output) {
        (true, _) => Some(1),
        (false, Some(_)) => args.count,
        (false, None) if is_terminal => None,
        (false, None) => {
            let text = "this is no terminal: --once prints what there is, -o ndjson does so again and again";
            return Err(Exit::failure(USAGE, text));
        }
    };
    let mut watch = Watch::new(Api::of(&args.admin)?);
    // https://no-color.org
    let has_colors = !args.no_color && env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let mut state = State::new(watch.url(), args.interval, &args.filter, has_colors);
    // Whatever is wrong is said before the terminal is taken.
    let first = watch.look(&state.wanted).await?;
    if args.once || args.output.is_some() {
        let output = args.output.unwrap_or(Report::Text);
        tokio::select! {
            result = print(watch, &mut state, output, count) => result,
            _ = tokio::signal::ctrl_c() => Err(Exit::interrupted()),
        }
    } else {
        state.take(Ok(first));
        let terminal = ratatui::try_init()?;
        let result = show(terminal, watch, state).await;
        ratatui::restore();
        result
    }
}

/// Prints snapshots.
async fn print(
    mut watch: Watch,
    state: &mut State,
    output: Report,
    count: Option<u64>,
) -> Result<(), Failure> {
    let mut printed = 0;
    while count.is_none_or(|count| printed < count) {
        // Rates are counted from the look before.
        sleep(state.wanted.interval).await;
        state.take(Ok(watch.look(&state.wanted).await?));
        let mut out = stdout().lock();
        match output {
            Report::Text if printed > 0 => {
                writeln!(out)?;
                words::print(&mut out, state)?;
            }
            Report::Text => words::print(&mut out, state)?,
            Report::Json => writeln!(out, "{}", json(&state.shot.raw, true))?,
            Report::Ndjson => writeln!(out, "{}", json(&state.shot.raw, false))?,
        }
        out.flush()?;
        printed += 1;
    }
    Ok(())
}

/// Shows it on the terminal, and does what keys say.
async fn show(
    mut terminal: DefaultTerminal,
    watch: Watch,
    mut state: State,
) -> Result<(), Failure> {
    let (wanted, wanted_by) = watch::channel(state.wanted.clone());
    let (found_by, mut found) = mpsc::channel(1);
    let looking = tokio::spawn(look_again(watch, wanted_by, found_by));
    let mut keys = EventStream::new();
    let mut terminated = signal(SignalKind::terminate())?;
    loop {
        terminal.draw(|frame| draw(frame, &mut state))?;
        tokio::select! {
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) => {
                    if state.key(key) == Next::Quit {
                        break;
                    }
                }
                // Its new size is taken at the next drawing, which is now.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => break,
            },
            Some(shot) = found.recv() => state.take(shot),
            _ = terminated.recv() => break,
        }
        wanted.send_if_modified(|it| {
            let is_new = *it != state.wanted;
            if is_new {
                it.clone_from(&state.wanted);
            }
            is_new
        });
    }
    looking.abort();
    Ok(())
}

/// Looks in the pace that is wanted, and at once where something else is wanted.
async fn look_again(
    mut watch: Watch,
    mut wanted_by: watch::Receiver<Wanted>,
    found_by: mpsc::Sender<Result<Shot, String>>,
) {
    loop {
        let pause = {
            let wanted = wanted_by.borrow();
            // A pause ends no sooner than somebody says so.
            (!wanted.is_paused).then_some(wanted.interval)
        };
        let ended = tokio::select! {
            () = wait(pause) => false,
            changed = wanted_by.changed() => changed.is_err(),
        };
        if ended {
            return;
        }
        let wanted = wanted_by.borrow_and_update().clone();
        if wanted.is_paused && wanted.detail.is_none() {
            continue;
        }
        let shot = watch.look(&wanted).await.map_err(|error| {
            let cause = error.source().map(|it| format!(": {it}"));
            format!("{error}{}", cause.unwrap_or_default())
        });
        if found_by.send(shot).await.is_err() {
            return;
        }
    }
}

async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}
