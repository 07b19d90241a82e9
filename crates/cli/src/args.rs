//! What was typed.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// STOMP messaging over TCP and WebSocket: a broker and its clients.
#[derive(Debug, Parser)]
#[command(name = "stompbox", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Serve),
    Pub(Publish),
    Sub(Subscribe),
}

/// Run the broker with its web pages.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox serve
  stompbox serve --stomp 127.0.0.1:0 --http 127.0.0.1:8080
  stompbox serve --http 0.0.0.0:8080 --allow-remote --user ann:secret")]
pub(crate) struct Serve {
    /// Address for STOMP over TCP; port 0 takes a free one. May be repeated.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_STOMP",
        value_delimiter = ',',
        default_value = "127.0.0.1:61613"
    )]
    pub(crate) stomp: Vec<SocketAddr>,
    /// Address for the pages and WebSocket; port 0 takes a free one. May be repeated.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_HTTP",
        value_delimiter = ',',
        default_value = "127.0.0.1:61614"
    )]
    pub(crate) http: Vec<SocketAddr>,
    /// Permit addresses that other machines can reach.
    #[arg(long, env = "STOMPBOX_ALLOW_REMOTE")]
    pub(crate) allow_remote: bool,
    /// Origin of pages on other hosts that may connect, as `https://example.com`; * for all. May be
    /// repeated.
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "STOMPBOX_ALLOW_ORIGIN",
        value_delimiter = ','
    )]
    pub(crate) allow_origin: Vec<String>,
    /// Who may log in; without it everybody may. May be repeated.
    #[arg(
        long,
        value_name = "LOGIN:PASSCODE",
        env = "STOMPBOX_USER",
        hide_env_values = true
    )]
    pub(crate) user: Vec<String>,
    /// Longest body of a message, in bytes.
    #[arg(long, value_name = "BYTES", env = "STOMPBOX_MAX_BODY", default_value_t = 4 << 20)]
    pub(crate) max_body: usize,
    /// Heart-beats that the server can send and would like to get, in milliseconds.
    #[arg(
        long,
        value_name = "SEND,RECEIVE",
        env = "STOMPBOX_HEART_BEAT",
        default_value = "10000,10000"
    )]
    pub(crate) heart_beat: String,
    /// What to log on standard error: error, warn, info, debug, trace.
    #[arg(
        long,
        value_name = "LEVEL",
        env = "STOMPBOX_LOG",
        default_value = "warn"
    )]
    pub(crate) log: String,
}

/// Where the broker is, and who asks.
#[derive(Debug, ClapArgs)]
pub(crate) struct Connect {
    /// The broker: stomp://HOST:PORT or ws://HOST:PORT/PATH.
    #[arg(
        short,
        long,
        env = "STOMPBOX_URL",
        default_value = "stomp://127.0.0.1:61613"
    )]
    pub(crate) url: String,
    /// Login to send.
    #[arg(long, env = "STOMPBOX_LOGIN")]
    pub(crate) login: Option<String>,
    /// Passcode to send; better given by the environment.
    #[arg(long, env = "STOMPBOX_PASSCODE", hide_env_values = true)]
    pub(crate) passcode: Option<String>,
}

/// Send messages.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox pub /queue/test 'Hello, STOMP'
  echo hello | stompbox pub /queue/test -H priority:9
  stompbox pub /topic/log --lines < access.log")]
pub(crate) struct Publish {
    /// Destination, as /queue/NAME or /topic/NAME.
    pub(crate) destination: String,
    /// Body; without it, standard input.
    pub(crate) body: Option<String>,
    /// Header to add. May be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
    pub(crate) headers: Vec<String>,
    /// Send this file.
    #[arg(short, long, value_name = "PATH", conflicts_with_all = ["body", "lines"])]
    pub(crate) file: Option<PathBuf>,
    /// Send each line of standard input as a message.
    #[arg(short, long, conflicts_with = "body")]
    pub(crate) lines: bool,
    /// Don't wait for the broker's receipts.
    #[arg(long)]
    pub(crate) no_receipt: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// Print messages as they come.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox sub /topic/prices
  stompbox sub /queue/orders --ack client-individual -n 10 --output json")]
pub(crate) struct Subscribe {
    /// Destinations, as /queue/NAME or /topic/NAME.
    #[arg(required = true)]
    pub(crate) destinations: Vec<String>,
    /// How messages are acknowledged; other than auto, each is once it is printed.
    #[arg(long, default_value = "auto", value_parser = ["auto", "client", "client-individual"])]
    pub(crate) ack: String,
    /// End after that many messages.
    #[arg(short = 'n', long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// End, and fail, when no message came for that many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
    /// raw: body and line end; json: an object a line; frame: as on the wire.
    #[arg(short, long, value_enum, default_value_t = Output::Raw)]
    pub(crate) output: Output,
    /// Header to add to SUBSCRIBE. May be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
    pub(crate) headers: Vec<String>,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Raw,
    Json,
    Frame,
}
