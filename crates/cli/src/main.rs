//! `stompbox`: the broker and its clients on the command line.
//!
//! Exit codes: 0 all well, 1 it failed, 2 it was asked wrongly. Only data goes to standard output.

mod args;
mod commands;

use std::process::ExitCode;

use args::{Args, Command};
use clap::Parser as _;

/// What a command failed with, in words for the user.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.command {
        Command::Serve(serve) => commands::serve::run(serve).await,
        Command::Pub(publish) => commands::publish::run(publish).await,
        Command::Sub(subscribe) => commands::subscribe::run(subscribe).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stompbox: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// The reader of our output has enough, as `head` has: no failure.
fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
