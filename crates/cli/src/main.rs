//! `stompbox`: the broker and its clients on the command line.
//!
//! Exit codes: 0 all well, 1 it failed, 2 it was asked wrongly. Only data goes to standard output.

mod args;
mod commands;
mod settings;

use std::process::ExitCode;

use args::{Args, Command};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use tokio::runtime::Builder;

/// Gives room back faster than the system's, across threads too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a command failed with, in words for the user.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let matches = Args::command().get_matches();
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let matches = innermost(&matches);
    let result = match args.command {
        Command::Serve(serve) => commands::serve::run(serve, matches),
        Command::Passwd(passwd) => commands::passwd::run(&passwd),
        Command::Config(config) => commands::config::run(&config, matches),
        Command::Acl(acl) => commands::acl::run(&acl, matches),
        Command::Pub(publish) => wait_for(1, commands::publish::run(publish)),
        Command::Sub(subscribe) => wait_for(1, commands::subscribe::run(subscribe)),
        Command::Store(store) => commands::store::run(store.verb),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            let mut last = error.to_string();
            eprintln!("stompbox: {last}");
            let mut cause = error.source();
            while let Some(error) = cause {
                let text = error.to_string();
                // Many an error tells its cause itself.
                if !last.contains(&text) {
                    eprintln!("  because: {text}");
                    last = text;
                }
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

/// Runs a future on that many threads. One is this one, which has nobody to hand work to and so
/// wakes nobody.
fn wait_for<T>(
    threads: usize,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let mut runtime = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        runtime.worker_threads(threads);
    }
    runtime.enable_all().build()?.block_on(work)
}

/// The matches of the last subcommand, which know which values were typed.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches
        .subcommand()
        .map_or(matches, |(_, sub)| innermost(sub))
}

/// The reader of our output has enough, as `head` has: no failure.
fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
