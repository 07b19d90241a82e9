//! `stompbox`: the broker and its clients on the command line.
//!
//! Only data goes to standard output. The exit codes are in `exit.rs`.

mod args;
mod commands;
mod contexts;
mod execute;
mod exit;
mod render;
mod settings;
mod target;

use std::process::ExitCode;

use args::{Args, Command};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use exit::{Exit, Failure};
use tokio::runtime::Builder;

/// Gives room back faster than the system's, across threads too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = match Args::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => {
            // Help is no error.
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let args = Args::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let matches = innermost(&matches);
    let result = match args.command {
        Command::Serve(serve) => commands::serve::run(*serve, matches),
        Command::Gateway(gateway) => commands::serve::gateway(*gateway, matches),
        Command::Passwd(passwd) => commands::passwd::run(&passwd),
        Command::Config(config) => commands::config::run(&config, matches),
        Command::Acl(acl) => commands::acl::run(&acl, matches),
        Command::Store(store) => commands::store::run(store.verb),
        Command::Context(verb) => commands::context::run(verb),
        Command::Selector(verb) => commands::selector::run(verb),
        Command::Completion(args) => commands::completion::run(&args),
        Command::Pub(args) => wait_for(1, commands::publish::run(*args)),
        Command::Sub(args) if args.verb.is_some() => {
            wait_for(1, commands::admin::durable(args.verb))
        }
        Command::Sub(args) => wait_for(1, commands::subscribe::run(*args)),
        Command::Req(args) => wait_for(1, commands::request::request(*args)),
        Command::Reply(args) => wait_for(1, commands::request::reply(*args)),
        Command::Browse(args) => wait_for(1, commands::browse::run(*args)),
        Command::Rtt(args) => wait_for(1, commands::rtt::run(*args)),
        Command::Tap(args) => wait_for(1, commands::tap::run(args)),
        Command::Top(args) => wait_for(1, commands::admin::top(*args)),
        Command::Ls(args) => wait_for(1, commands::admin::list(*args)),
        Command::Show(args) => wait_for(1, commands::admin::show(*args)),
        Command::Purge(args) => wait_for(1, commands::admin::purge(*args)),
        Command::Move(args) => wait_for(1, commands::admin::move_messages(*args)),
        Command::Replay(args) => wait_for(1, commands::admin::replay(*args)),
        Command::Kick(args) => wait_for(1, commands::admin::kick(*args)),
        Command::Events(args) => wait_for(1, commands::admin::events(*args)),
        Command::Doctor(args) => wait_for(1, commands::doctor::run(*args)),
        Command::Bench(args) => wait_for(2, commands::bench::run(*args)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_broken_pipe(&*error) => ExitCode::SUCCESS,
        Err(error) if is_silent(&*error) => ExitCode::from(exit::code_of(&*error)),
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
            ExitCode::from(exit::code_of(&*error))
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

/// What is to be said was said.
fn is_silent(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<Exit>()
        .is_some_and(|exit| exit.to_string().is_empty())
}

/// The reader of our output has enough, as `head` has: no failure.
fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
