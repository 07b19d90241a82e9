//! Sending and receiving.

use std::{path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, ValueEnum};

use super::{
    Connect, DurableVerb,
    connect::{ACK_MODES, duration, rate, size},
};

/// How messages are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// The body and a line end.
    Raw,
    /// A line a message: destination and body.
    Text,
    /// Objects, indented.
    Json,
    /// An object a line.
    Ndjson,
    /// Columns.
    Table,
    /// The frame, as on the wire.
    Frame,
}

/// Send messages.
///
/// In the body and in header values %i is the message's number from 0 on, %u a new UUID, %t the
/// time in milliseconds since 1970, and %% a percent sign, if --template is given.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox pub /queue/test 'Hello, STOMP'
  echo hello | stompbox pub /queue/test -H priority:9
  stompbox pub /topic/log --lines < access.log
  stompbox pub /queue/jobs 'job %i' --template -n 100 --rate 10/s --persistent
  stompbox pub /queue/images -f a.png -f b.png --content-type image/png
  stompbox pub /queue/orders --lines --tx 100 < orders.txt")]
pub(crate) struct Publish {
    /// Destination, as /queue/NAME or /topic/NAME.
    pub(crate) destination: String,
    /// Body; without it, or with -, standard input.
    pub(crate) body: Option<String>,
    /// Body.
    #[arg(short, long = "message", value_name = "BODY", conflicts_with = "body")]
    pub(crate) message: Option<String>,
    /// Header to add. May be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
    pub(crate) headers: Vec<String>,
    /// Send this file. May be repeated.
    #[arg(short, long, value_name = "PATH", conflicts_with_all = ["body", "message", "lines"])]
    pub(crate) file: Vec<PathBuf>,
    /// Send each line of standard input as a message.
    #[arg(short, long, conflicts_with_all = ["body", "message"])]
    pub(crate) lines: bool,
    /// Send it that many times.
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) count: u64,
    /// Body of that many bytes.
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with_all = ["body", "message", "file", "lines"])]
    pub(crate) size: Option<usize>,
    /// No more messages a second than that, as 100/s.
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Fill in %i, %u, %t and %%.
    #[arg(long)]
    pub(crate) template: bool,
    /// `persistent:true`: it survives a restart of the broker.
    #[arg(long)]
    pub(crate) persistent: bool,
    /// How long each is worth something, as 10s; headers `expires` and `expiration`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) ttl: Option<Duration>,
    /// How long to hold each back; headers `AMQ_SCHEDULED_DELAY` and `x-delay`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) delay: Option<Duration>,
    /// Where replies are to go.
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) reply_to: Option<String>,
    /// What the body is, as application/json.
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Send that many in a transaction.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) tx: Option<u64>,
    /// Don't wait for the broker's receipts.
    #[arg(long)]
    pub(crate) no_receipt: bool,
    /// No progress bar.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// Print messages as they come.
///
/// --format knows %d the destination, %H{NAME} a header, %b the body, %s its bytes, %I the message-id,
/// %t the time as in RFC 3339, %n a line end, %% a percent sign, \n and \t.
#[derive(Debug, ClapArgs)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    subcommand_negates_reqs = true,
    subcommand_value_name = "ls|rm",
    subcommand_help_heading = "Durable subscriptions"
)]
#[command(after_help = "Examples:
  stompbox sub /topic/prices
  stompbox sub /queue/orders --ack client-individual -C 10 --output ndjson
  stompbox sub /queue/orders --selector \"country = 'de'\" --prefetch 10
  stompbox sub /queue/jobs --ack individual --prefetch 1 --exec ./handle.sh
  stompbox sub /topic/log --format '%t %H{level} %b\\n'
  stompbox sub /topic/news --durable reader --client-id ann")]
pub(crate) struct Subscribe {
    #[command(subcommand)]
    pub(crate) verb: Option<DurableVerb>,
    /// Destinations, as /queue/NAME or /topic/NAME.
    #[arg(required = true)]
    pub(crate) destinations: Vec<String>,
    /// How messages are acknowledged; other than auto, each is once it is printed, saved or handled.
    /// [default: auto; with --count or --exec client-individual, so that no message is lost that was
    /// not wanted]
    #[arg(long, value_parser = ACK_MODES)]
    pub(crate) ack: Option<String>,
    /// End after that many messages.
    #[arg(short = 'C', short_alias = 'n', long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// End, with exit code 5, when no message came for so long.
    #[arg(short = 'W', long, value_name = "TIME", value_parser = duration)]
    pub(crate) wait: Option<Duration>,
    /// How to print a message.
    #[arg(short = 'F', long, value_name = "FORMAT", conflicts_with_all = ["output", "exec"])]
    pub(crate) format: Option<String>,
    /// How to print messages.
    #[arg(short, long, value_enum, default_value_t = Output::Raw)]
    pub(crate) output: Output,
    /// Print no bodies.
    #[arg(long)]
    pub(crate) headers_only: bool,
    /// Have that many messages at most that are not acknowledged.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) prefetch: Option<u32>,
    /// Only messages that this takes, as \"price > 10\".
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// A durable subscription of that name; needs --client-id with most brokers.
    #[arg(long, value_name = "NAME")]
    pub(crate) durable: Option<String>,
    /// What was sent before: first, last, next, seq=N or time=SECONDS since 1970.
    #[arg(long, value_name = "WHERE")]
    pub(crate) from: Option<String>,
    /// Save each body as a file in this directory.
    #[arg(long, value_name = "DIR")]
    pub(crate) save: Option<PathBuf>,
    /// Run this for each message, with its body as standard input and its headers as STOMP_NAME
    /// in the environment: 0 acknowledges it, anything else refuses it.
    #[arg(long, value_name = "COMMAND", conflicts_with = "save")]
    pub(crate) exec: Option<String>,
    /// No more messages a second than that.
    #[arg(long, value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Header to add to SUBSCRIBE. May be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
    pub(crate) headers: Vec<String>,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// Send a request, and print its reply.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox req /queue/time now
  stompbox req /queue/search '{\"q\":\"stomp\"}' --wait 2s --output ndjson")]
pub(crate) struct Request {
    /// Destination of the request.
    pub(crate) destination: String,
    /// Its body; without it, or with -, standard input.
    pub(crate) body: Option<String>,
    /// Header to add. May be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE")]
    pub(crate) headers: Vec<String>,
    /// How long to wait for the reply.
    #[arg(short = 'W', long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) wait: Duration,
    /// Have the reply sent here, where the broker has no temporary queues (Artemis).
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) reply_queue: Option<String>,
    /// How to print the reply.
    #[arg(short, long, value_enum, default_value_t = Output::Raw)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// Answer requests, with a text or with what a command prints.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox reply /queue/echo --echo
  stompbox reply /queue/time --exec date
  stompbox reply /queue/ping pong -C 3")]
pub(crate) struct Reply {
    /// Destination of the requests.
    pub(crate) destination: String,
    /// The answer.
    #[arg(required_unless_present_any = ["exec", "echo"])]
    pub(crate) answer: Option<String>,
    /// Answer with what this prints; it gets the request's body as standard input.
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["answer", "echo"])]
    pub(crate) exec: Option<String>,
    /// Answer with the request's body.
    #[arg(long, conflicts_with = "answer")]
    pub(crate) echo: bool,
    /// End after that many requests.
    #[arg(short = 'C', short_alias = 'n', long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) connect: Connect,
}

/// Look at a queue's messages without taking them (ActiveMQ, Apollo, Stompbox).
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox browse /queue/orders
  stompbox browse /queue/DLQ.orders -C 5 --output table
  stompbox browse /queue/orders --selector \"priority > 6\"")]
pub(crate) struct Browse {
    /// The queue.
    pub(crate) destination: String,
    /// End after that many messages.
    #[arg(short = 'C', short_alias = 'n', long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// Only messages that this takes.
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// How to print messages.
    #[arg(short, long, value_enum, default_value_t = Output::Raw)]
    pub(crate) output: Output,
    /// Print no bodies.
    #[arg(long)]
    pub(crate) headers_only: bool,
    #[command(flatten)]
    pub(crate) connect: Connect,
}
