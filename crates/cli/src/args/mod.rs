//! What was typed.

mod admin;
mod connect;
mod messages;
mod serve;
mod shell;
mod tools;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use stompbox_server::Role;

pub(crate) use admin::{
    Admin, DurableVerb, Events, Kick, KickBy, Kind, List, Listing, Move, Purge, Replay, Report,
    Show, SortDestinations, Top, Which,
};
pub(crate) use connect::{Connect, duration, rate, size};
pub(crate) use messages::{Browse, Output, Publish, Reply, Request, Subscribe};
pub(crate) use serve::{Gateway, Secret, Serve, ServeOptions};
pub(crate) use shell::Shell;
pub(crate) use tools::{
    Bench, BenchKind, Completion, ContextVerb, Doctor, ManArgs, RoundTrip, SelectorVerb, Sim, Tap,
    VersionArgs,
};

/// STOMP messaging over TCP and WebSocket: a broker and its clients.
#[derive(Debug, Parser)]
#[command(name = "stompbox", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(visible_alias = "broker")]
    Serve(Box<Serve>),
    Gateway(Box<Gateway>),
    Pub(Box<Publish>),
    Sub(Box<Subscribe>),
    Req(Box<Request>),
    Reply(Box<Reply>),
    Browse(Box<Browse>),
    Bench(Box<Bench>),
    Sim(Box<Sim>),
    #[command(visible_alias = "ping")]
    Rtt(Box<RoundTrip>),
    Tap(Tap),
    Top(Box<Top>),
    Ls(Box<List>),
    Show(Box<Show>),
    Purge(Box<Purge>),
    Move(Box<Move>),
    Replay(Box<Replay>),
    Kick(Box<Kick>),
    Events(Box<Events>),
    Shell(Box<Shell>),
    Doctor(Box<Doctor>),
    #[command(subcommand)]
    Context(ContextVerb),
    #[command(subcommand)]
    Selector(SelectorVerb),
    Passwd(Passwd),
    #[command(subcommand)]
    Config(Box<ConfigCommand>),
    #[command(subcommand)]
    Acl(Box<AclCommand>),
    Store(StoreArgs),
    Completion(Completion),
    Man(ManArgs),
    Version(VersionArgs),
}

/// Make a user of the configuration, with the hash of a passcode.
///
/// The passcode is asked for, or read from standard input if that is no terminal.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox passwd ann >> stompbox.toml
  stompbox passwd ann --group traders --file stompbox.toml
  stompbox passwd otto --role operator --file stompbox.toml
  pwgen -s 20 1 | stompbox passwd ann --file stompbox.toml")]
pub(crate) struct Passwd {
    /// The login.
    pub(crate) login: String,
    /// Group to put the user in. May be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Vec<String>,
    /// What the user may do on the admin listener: viewer, operator or admin.
    #[arg(long)]
    pub(crate) role: Option<Role>,
    /// Add or replace the user in this file, instead of printing.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// Look at the configuration, as `serve` would have it.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Write a file with every key at its default, to be edited.
    #[command(after_help = "Examples:
  stompbox config init
  stompbox config init /etc/stompbox/stompbox.toml")]
    Init {
        /// The file, which must not be there yet.
        #[arg(default_value = "stompbox.toml")]
        file: PathBuf,
    },
    /// Say whether the server could start with it.
    Check(ServeOptions),
    /// Print all values in effect, and where each comes from. Hashes are left out.
    Show(ServeOptions),
}

/// Ask the access rules.
#[derive(Debug, Subcommand)]
pub(crate) enum AclCommand {
    /// Say whether a user may; fails if not.
    #[command(after_help = "Examples:
  stompbox acl check ann read '/topic/price.*' --config stompbox.toml
  stompbox acl check ann write /queue/orders --config stompbox.toml")]
    Check {
        /// The user's login.
        #[arg(value_name = "USER")]
        login: String,
        /// What the user wants to do.
        access: AccessKind,
        /// With which destination, or which pattern of destinations.
        destination: String,
        #[command(flatten)]
        options: Box<ServeOptions>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AccessKind {
    /// To subscribe.
    Read,
    /// To send.
    Write,
}

/// Look after the store of a broker that is not running.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox store check ./data
  stompbox store backup ./data ./data-backup
  stompbox store restore ./data-backup ./data")]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    pub(crate) verb: StoreVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreVerb {
    /// Read everything and say how much there is; 1 if something is damaged.
    ///
    /// What opening repairs is repaired, and said.
    Check {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// Give all the space back that can be had.
    Compact {
        /// Directory of the store.
        dir: PathBuf,
    },
    /// Copy a store into a new directory.
    Backup {
        /// Directory of the store.
        dir: PathBuf,
        /// Directory of the copy: empty, or not there.
        to: PathBuf,
    },
    /// Make a store from a backup.
    Restore {
        /// Directory of the backup.
        from: PathBuf,
        /// Directory of the store: empty, or not there.
        dir: PathBuf,
    },
}
