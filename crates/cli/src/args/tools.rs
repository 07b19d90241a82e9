//! Measuring, looking, and what makes the other commands shorter.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::{
    Connect, Output,
    connect::{ACK_MODES, duration, rate, size},
};

/// What `bench` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchKind {
    /// Send.
    Pub,
    /// Receive what others send.
    Sub,
    /// Send and receive.
    Pubsub,
    /// Connect and disconnect.
    Conn,
    /// A message to and fro, one at a time.
    Rtt,
}

/// Measure a broker: throughput, latency, and whether each message came once and in order.
///
/// With --rate latency counts from when a message was to be sent, so that a broker that stalls does
/// not look better than it is.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox bench pubsub /queue/bench
  stompbox bench pubsub /topic/bench -p 1 -c 100 -d 30s --size 1KiB
  stompbox bench pubsub /queue/bench --rate 20k/s --json
  stompbox bench pub /queue/bench -n 100000 --persistent --receipts
  stompbox bench conn -c 50 -d 10s")]
pub(crate) struct Bench {
    /// What to do.
    pub(crate) kind: BenchKind,
    /// Where to send and receive.
    #[arg(default_value = "/queue/bench")]
    pub(crate) destination: String,
    /// Connections that send.
    #[arg(short, long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) producers: usize,
    /// Connections that receive, or connect.
    #[arg(
        short,
        long,
        visible_alias = "clients",
        value_name = "NUMBER",
        default_value_t = 1
    )]
    pub(crate) consumers: usize,
    /// End after that many messages in all.
    #[arg(short = 'n', long, value_name = "NUMBER")]
    pub(crate) messages: Option<u64>,
    /// End after so long. [default: 10s]
    #[arg(short, long, value_name = "TIME", value_parser = duration)]
    pub(crate) duration: Option<Duration>,
    /// Bytes of a body; at least 32.
    #[arg(long, value_name = "SIZE", default_value = "256", value_parser = size)]
    pub(crate) size: usize,
    /// Messages a second in all, as 20k/s. [default: as fast as it goes]
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Messages of a producer that may be under way, where no rate is given.
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pub(crate) window: usize,
    /// How consumers acknowledge.
    #[arg(long, default_value = "auto", value_parser = ACK_MODES)]
    pub(crate) ack: String,
    /// Send persistent messages.
    #[arg(long)]
    pub(crate) persistent: bool,
    /// Ask a receipt for each message, and measure how long it takes.
    #[arg(long)]
    pub(crate) receipts: bool,
    /// Write the latencies in HdrHistogram's log format.
    #[arg(long, value_name = "FILE")]
    pub(crate) histogram: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// No progress bar.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// Time how long connecting takes, and receipts.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox rtt
  stompbox rtt -n 100 -s wss://mq.example.com/stomp
  stompbox ping -n 3 --destination /topic/ping")]
pub(crate) struct RoundTrip {
    /// How many receipts.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 10)]
    pub(crate) count: u32,
    /// Where the messages go whose receipts are timed.
    #[arg(long, default_value = "/topic/stompbox.rtt")]
    pub(crate) destination: String,
    /// Print one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// Stand between clients and a broker, and print their frames. Passcodes and tokens are not shown.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox tap 127.0.0.1:61700 rabbit:61613
  stompbox tap 127.0.0.1:61700 rabbit:61613 --bodies 1KiB")]
pub(crate) struct Tap {
    /// Where to listen. TCP only: a WebSocket's frames are in its upgrade.
    pub(crate) listen: SocketAddr,
    /// The broker, HOST:PORT.
    pub(crate) target: String,
    /// Print as much of each body.
    #[arg(long, value_name = "SIZE", default_value = "0", value_parser = size)]
    pub(crate) bodies: usize,
    /// Show heart-beats too.
    #[arg(long)]
    pub(crate) heart_beats: bool,
    /// End after that many connections.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) connections: Option<u64>,
}

/// Look for what is wrong with a server, or with the way to it.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox doctor
  stompbox doctor -s wss://mq.example.com/stomp --user ann --passcode-file pass")]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// Names for servers and logins.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextVerb {
    /// Add a context, or replace it.
    #[command(after_help = "Examples:
  stompbox context add prod -s wss://mq.example.com/stomp -u app --token-file ~/.app.jwt --select")]
    Add {
        /// Its name.
        name: String,
        /// The broker's URL; several with commas between.
        #[arg(
            short,
            long,
            visible_alias = "url",
            value_delimiter = ',',
            required = true
        )]
        server: Vec<String>,
        /// Login to send.
        #[arg(short, long, visible_alias = "login")]
        user: Option<String>,
        /// File whose first line is the passcode.
        #[arg(long, value_name = "FILE")]
        passcode_file: Option<PathBuf>,
        /// File whose first line is a token, which is sent as the passcode.
        #[arg(long, value_name = "FILE", conflicts_with = "passcode_file")]
        token_file: Option<PathBuf>,
        /// The `host` header.
        #[arg(long, value_name = "NAME")]
        vhost: Option<String>,
        /// The `client-id` header.
        #[arg(long, value_name = "ID")]
        client_id: Option<String>,
        /// Roots to trust, in PEM.
        #[arg(long, value_name = "FILE")]
        ca: Option<PathBuf>,
        /// The admin listener's URL, as https://mq.example.com:61680.
        #[arg(long, value_name = "URL")]
        admin: Option<String>,
        /// Use it from now on.
        #[arg(long)]
        select: bool,
    },
    /// List the contexts.
    Ls {
        /// How to print them.
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Use a context from now on.
    Select {
        /// Its name.
        name: String,
    },
    /// Print a context.
    Show {
        /// Its name. [default: the selected one]
        name: Option<String>,
    },
    /// Remove a context.
    Rm {
        /// Its name.
        name: String,
    },
}

/// Try selectors.
#[derive(Debug, Subcommand)]
pub(crate) enum SelectorVerb {
    /// Say whether a selector can be compiled, and where it is wrong.
    #[command(after_help = "Examples:
  stompbox selector check \"price > 10 AND region IN ('de','fr')\"")]
    Check {
        /// The selector.
        selector: String,
    },
    /// Show how a selector is read.
    #[command(after_help = "Examples:
  stompbox selector explain \"a = 1 OR b = 2 AND NOT c LIKE 'x%'\"")]
    Explain {
        /// The selector.
        selector: String,
    },
    /// Evaluate a selector for the headers of a message; exit code 6 if it takes it not.
    #[command(after_help = "Examples:
  stompbox selector test \"price > 10\" -H price:12 -H region:de")]
    Test {
        /// The selector.
        selector: String,
        /// Header of the message. May be repeated.
        #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
        headers: Vec<String>,
    },
}

/// Print a completion script, or the manual's pages.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox completion bash > /etc/bash_completion.d/stompbox
  stompbox completion fish > ~/.config/fish/completions/stompbox.fish
  stompbox completion man --dir /usr/local/share/man/man1")]
pub(crate) struct Completion {
    /// The shell: bash, zsh, fish, powershell or elvish; or man.
    #[arg(value_parser = ["bash", "zsh", "fish", "powershell", "elvish", "man"])]
    pub(crate) shell: String,
    /// Where the manual's pages go. [default: the first to standard output]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}
