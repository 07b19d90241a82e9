//! The prompt.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::{Connect, Output};

/// Talk to a broker at a prompt, or by a script.
///
/// `help` at the prompt lists the verbs; Tab completes them, and the destinations, subscriptions,
/// transactions, messages and header names that there are. Messages are printed as they come, and
/// the line that is being typed stays. If the connection is lost, it is made again.
///
/// A script is a file, or standard input that is no terminal: a verb a line. It ends with the first
/// that fails, and with its exit code.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox shell
  stompbox shell -s wss://mq.example.com/stomp --user ann --passcode-file pass
  stompbox shell --file test.stomp
  printf 'sub /queue/a\\npub /queue/a hello\\nwait 1\\n' | stompbox shell --output ndjson")]
pub(crate) struct Shell {
    /// Run this script, and end.
    #[arg(short = 'F', long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    /// How to print messages. [default: what is in them, for people]
    #[arg(short, long, value_enum)]
    pub(crate) output: Option<Output>,
    /// Neither read nor write the history of earlier prompts.
    #[arg(long)]
    pub(crate) no_history: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}
