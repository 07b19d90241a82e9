//! Looking after a running broker, over its admin listener.

use std::{path::PathBuf, time::Duration};

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::{Secret, connect::duration};

/// Where the admin listener is, and who asks.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Admin {
    /// The broker's admin listener: http://HOST:PORT, https:// or unix:PATH.
    /// [default: the context's, or http://127.0.0.1:61680]
    #[arg(long, value_name = "URL", env = "STOMPBOX_ADMIN_URL")]
    pub(crate) admin: Option<String>,
    /// Take what is not given here from this context; see `stompbox context`.
    #[arg(short = 'x', long, value_name = "NAME", env = "STOMPBOX_CONTEXT")]
    pub(crate) context: Option<String>,
    /// Login to send.
    #[arg(short, long, visible_alias = "login", env = "STOMPBOX_LOGIN")]
    pub(crate) user: Option<String>,
    /// Passcode to send. Others on this machine can read options: use the environment or a file.
    #[arg(long, env = "STOMPBOX_PASSCODE", hide_env_values = true)]
    pub(crate) passcode: Option<Secret>,
    /// File whose first line is the passcode; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "passcode")]
    pub(crate) passcode_file: Option<PathBuf>,
    /// File whose first line is a token, which is sent as the passcode.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["passcode", "passcode_file"])]
    pub(crate) token_file: Option<PathBuf>,
    /// Roots to trust, in PEM, instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Certificate to show, in PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Don't check the server's certificate.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// The name that the server's certificate must have. [default: the URL's host]
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_name: Option<String>,
    /// How long to wait for the connection and each answer.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// How a listing is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    /// Columns, with units for people.
    Text,
    /// One array of all there is to know.
    Json,
    /// An object a line.
    Ndjson,
    /// More columns, with plain numbers for programs: bytes, milliseconds, messages a second.
    Table,
}

/// How one thing is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Report {
    /// Words.
    Text,
    /// An object, indented.
    Json,
    /// An object in one line.
    Ndjson,
}

/// What destinations are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortDestinations {
    /// A to Z.
    Name,
    /// Most messages first.
    Depth,
    /// Busiest first.
    Rate,
}

/// Kinds of destinations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Each message goes to one consumer.
    Queue,
    /// Each message goes to all subscribers.
    Topic,
    /// Messages stay, and are read from anywhere.
    Stream,
    /// Queues for what could not be delivered.
    DeadLetter,
}

/// List destinations with their depths and rates, or connections.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox ls
  stompbox ls '/queue/orders.*' --sort depth
  stompbox ls orders --kind dead-letter -o ndjson
  stompbox ls --connections ann

Exit code 6: there is none.")]
pub(crate) struct List {
    /// Only these: the broker's wildcards, as '/queue/orders.*', or without a slash a part of the name.
    pub(crate) pattern: Option<String>,
    /// List connections; PATTERN is a part of the user, client-id or address.
    #[arg(short, long, conflicts_with_all = ["kind", "sort"])]
    pub(crate) connections: bool,
    /// Only destinations of this kind.
    #[arg(short, long, value_enum)]
    pub(crate) kind: Option<Kind>,
    /// What to sort by.
    #[arg(long, value_enum, default_value_t = SortDestinations::Name)]
    pub(crate) sort: SortDestinations,
    /// No more than that many.
    #[arg(short = 'n', long, value_name = "NUMBER")]
    pub(crate) limit: Option<usize>,
    /// How to print them.
    #[arg(short, long, value_enum, default_value_t = Listing::Text)]
    pub(crate) output: Listing,
    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// Show a destination or a connection in detail.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox show /queue/orders
  stompbox show 17 -o json

Exit code 6: there is no such.")]
pub(crate) struct Show {
    /// A destination, as /queue/NAME, or the ID of a connection, as `ls --connections` has it.
    #[arg(value_name = "DESTINATION|CONNECTION")]
    pub(crate) what: String,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Report::Text)]
    pub(crate) output: Report,
    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// Which messages, and whether to ask.
#[derive(Debug, ClapArgs)]
pub(crate) struct Which {
    /// Only messages that this takes, as \"price > 10\".
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
    /// No more than that many, the oldest first.
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Don't ask.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// No progress bar.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// How to print what was done.
    #[arg(short, long, value_enum, default_value_t = Report::Text)]
    pub(crate) output: Report,
}

/// Remove a queue's messages for good, but for those in consumers' hands.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox purge /queue/test
  stompbox purge /queue/orders --selector \"country = 'de'\" --yes
  stompbox purge /queue/DLQ.orders --limit 100 --yes

Exit code 6: nothing was there to be removed.")]
pub(crate) struct Purge {
    /// The queue.
    pub(crate) destination: String,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// Move a queue's messages to another, but for those in consumers' hands.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox move /queue/orders /queue/orders.old
  stompbox move /queue/orders /queue/big --selector 'size > 1000' --limit 100 --yes

Exit code 6: nothing was there to be moved.")]
pub(crate) struct Move {
    /// The queue.
    pub(crate) destination: String,
    /// Where they go.
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// Send dead letters once more to where they came from.
///
/// What the dead-letter queue wrote into their headers is taken off, and their failures are forgotten.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox replay /queue/DLQ.orders
  stompbox replay /queue/DLQ.orders --to /queue/orders --limit 10 --yes
  stompbox replay /queue/DLQ.orders --selector \"x-death-reason = 'expired'\" --yes

Exit code 6: nothing was there to be replayed; 4: some could not be, and stay where they are.")]
pub(crate) struct Replay {
    /// The dead-letter queue.
    pub(crate) destination: String,
    /// Where they go. [default: each to where it came from]
    #[arg(long, value_name = "DESTINATION")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) which: Which,
    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// What a name given to `kick` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KickBy {
    /// A connection's ID.
    Id,
    /// A login: all of the user's connections.
    User,
}

/// Disconnect a connection, or all of a user.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox kick 17
  stompbox kick ann --reason 'maintenance, back at 10'
  stompbox kick 17 --by user

Exit code 6: there is no such.")]
pub(crate) struct Kick {
    /// The ID of a connection, as `ls --connections` has it, or a login.
    #[arg(value_name = "CONNECTION|USER")]
    pub(crate) whom: String,
    /// What it is, should it be both. [default: found out]
    #[arg(long, value_enum)]
    pub(crate) by: Option<KickBy>,
    /// What the clients are told.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// How to print what was done.
    #[arg(short, long, value_enum, default_value_t = Report::Text)]
    pub(crate) output: Report,
    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// Print what happens in the broker as it happens.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox events
  stompbox events dead-letter slow-consumer
  stompbox events connected -C 1 -o ndjson

Kinds: connected, disconnected, login-refused, subscribed, unsubscribed, destination-created,
destination-removed, slow-consumer, dead-letter, error, memory, draining. `missed` tells how many
were lost because they were read too slowly.")]
pub(crate) struct Events {
    /// Only these kinds.
    #[arg(value_name = "KIND")]
    pub(crate) kinds: Vec<String>,
    /// End after that many.
    #[arg(short = 'C', long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
    /// How to print them. [default: text on a terminal, ndjson elsewhere]
    #[arg(short, long, value_enum)]
    pub(crate) output: Option<Report>,
    #[command(flatten)]
    pub(crate) admin: Admin,
}

/// Durable subscriptions, whether or not somebody is connected for them.
#[derive(Debug, Subcommand)]
pub(crate) enum DurableVerb {
    /// List the durable subscriptions of the broker; exit code 6 if there are none.
    #[command(after_help = "Examples:
  stompbox sub ls
  stompbox sub ls -o ndjson

To subscribe to a destination of this name: stompbox sub -- ls")]
    Ls {
        /// How to print them.
        #[arg(short, long, value_enum, default_value_t = Listing::Text)]
        output: Listing,
        #[command(flatten)]
        admin: Box<Admin>,
    },
    /// Remove a durable subscription with the messages that wait for it.
    #[command(after_help = "Examples:
  stompbox sub rm reader
  stompbox sub rm reader --owner ann --yes

Nobody may be connected for it. Exit code 6: there is no such.
To subscribe to a destination of this name: stompbox sub -- rm")]
    Rm {
        /// Its key, as `sub ls` has it, or its name.
        #[arg(value_name = "KEY|NAME")]
        subscription: String,
        /// Only if it is of this login or client-id.
        #[arg(long, value_name = "NAME")]
        owner: Option<String>,
        /// Don't ask.
        #[arg(short, long)]
        yes: bool,
        /// How to print what was done.
        #[arg(short, long, value_enum, default_value_t = Report::Text)]
        output: Report,
        #[command(flatten)]
        admin: Box<Admin>,
    },
}

/// Watch a broker: rates, destinations and connections.
///
/// Keys: Tab the other panel, z only this one, arrows and Page Up/Down scroll, < and > what to sort by, r the
/// other way round, / filter, Enter details, p pause, + and - the pace, ? help, q quit.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox top
  stompbox top --admin http://127.0.0.1:61680 --interval 5s
  stompbox top --once
  stompbox top -o ndjson -n 60 > minute.ndjson

Colours are left out with --no-color, or where NO_COLOR is set.")]
pub(crate) struct Top {
    /// How long between two looks; at least 100ms.
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    pub(crate) interval: Duration,
    /// Print what there is, once, and end. Rates are of one interval.
    #[arg(long)]
    pub(crate) once: bool,
    /// End after that many snapshots.
    #[arg(
        short = 'n',
        long,
        value_name = "NUMBER",
        conflicts_with = "once",
        requires = "output"
    )]
    pub(crate) count: Option<u64>,
    /// Print snapshots instead of the live view. [default with --once: text]
    #[arg(short, long, value_enum)]
    pub(crate) output: Option<Report>,
    /// Show only destinations and connections with this in their names.
    #[arg(short, long, value_name = "TEXT", default_value = "")]
    pub(crate) filter: String,
    /// No colours.
    #[arg(long)]
    pub(crate) no_color: bool,
    #[command(flatten)]
    pub(crate) admin: Admin,
}
