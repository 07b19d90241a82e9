//! What was typed.

use std::{fmt, net::SocketAddr, path::PathBuf};

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
    Passwd(Passwd),
    #[command(subcommand)]
    Config(ConfigCommand),
    #[command(subcommand)]
    Acl(AclCommand),
    Store(StoreArgs),
}

/// Run the broker with its web pages.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox serve
  stompbox serve --stomp 127.0.0.1:0 --http 127.0.0.1:8080
  stompbox serve --config stompbox.toml
  stompbox serve --https 0.0.0.0:8443 --tls-cert tls.crt --tls-key tls.key --user ann:secret

An option beats its environment variable, which beats the file, which beats the default. A list
replaces the whole list. Beyond loopback, users are needed, or --allow-anonymous.")]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) options: ServeOptions,
}

/// What a server can be told; `config` and `acl` take the same.
#[derive(Debug, ClapArgs)]
pub(crate) struct ServeOptions {
    /// TOML file with the configuration.
    #[arg(short, long, value_name = "FILE", env = "STOMPBOX_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of the store: what is persistent is there when the server starts again.
    #[arg(long, value_name = "DIR", env = "STOMPBOX_DATA")]
    pub(crate) data: Option<PathBuf>,
    /// Keep everything in memory, whatever else says where the store is. [default without --data]
    #[arg(long, env = "STOMPBOX_MEMORY")]
    pub(crate) memory: bool,
    /// Threads that serve connections. [default: half of the processors, at most 4]
    #[arg(long, value_name = "NUMBER", env = "STOMPBOX_THREADS")]
    pub(crate) threads: Option<usize>,
    /// Whose headers are meant where brokers contradict each other: auto, rabbitmq, activemq,
    /// artemis or apollo. [default: auto]
    #[arg(long, value_name = "BROKER", env = "STOMPBOX_DIALECT")]
    pub(crate) dialect: Option<String>,
    /// What a destination without a known prefix is: error, queue or topic. [default: error]
    #[arg(long, value_name = "KIND", env = "STOMPBOX_BARE_DESTINATION")]
    pub(crate) bare_destination: Option<String>,
    /// Address for STOMP over TCP; port 0 takes a free one. May be repeated.
    /// [default: 127.0.0.1:61613]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_STOMP",
        value_delimiter = ','
    )]
    pub(crate) stomp: Vec<SocketAddr>,
    /// Address for the pages and WebSocket; port 0 takes a free one. May be repeated.
    /// [default: 127.0.0.1:61614]
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_HTTP",
        value_delimiter = ','
    )]
    pub(crate) http: Vec<SocketAddr>,
    /// Address for STOMP over TLS. May be repeated.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_STOMP_TLS",
        value_delimiter = ','
    )]
    pub(crate) stomp_tls: Vec<SocketAddr>,
    /// Address for the pages and WebSocket over TLS. May be repeated.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "STOMPBOX_HTTPS",
        value_delimiter = ','
    )]
    pub(crate) https: Vec<SocketAddr>,
    /// Certificate of --stomp-tls and --https with those between it and the root, in PEM.
    #[arg(long, value_name = "FILE", env = "STOMPBOX_TLS_CERT")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, value_name = "FILE", env = "STOMPBOX_TLS_KEY")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Roots, in PEM, that clients must have a certificate of.
    #[arg(long, value_name = "FILE", env = "STOMPBOX_TLS_CLIENT_CA")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Permit addresses that other machines can reach though there are no users.
    #[arg(long, env = "STOMPBOX_ALLOW_ANONYMOUS")]
    pub(crate) allow_anonymous: bool,
    /// Origin of pages on other hosts that may connect, as `https://example.com`; * for all. May be
    /// repeated.
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "STOMPBOX_ALLOW_ORIGIN",
        value_delimiter = ','
    )]
    pub(crate) allow_origin: Vec<String>,
    /// Who may log in, with the passcode or its argon2id hash; without users everybody may. Others
    /// on this machine can read options: use the file. May be repeated.
    #[arg(
        long,
        value_name = "LOGIN:PASSCODE",
        env = "STOMPBOX_USER",
        hide_env_values = true
    )]
    pub(crate) user: Vec<Secret>,
    /// Longest body of a message, in bytes or as 4MiB. [default: 4MiB]
    #[arg(long, value_name = "SIZE", env = "STOMPBOX_MAX_BODY")]
    pub(crate) max_body: Option<String>,
    /// A value of the file's section [limits]. May be repeated.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) limit: Vec<String>,
    /// Heart-beats that the server can send and would like to get, in milliseconds.
    /// [default: 10000,10000]
    #[arg(long, value_name = "SEND,RECEIVE", env = "STOMPBOX_HEART_BEAT")]
    pub(crate) heart_beat: Option<String>,
    /// How much to log on standard error. [default: warn]
    #[arg(
        long,
        value_name = "LEVEL",
        env = "STOMPBOX_LOG",
        value_parser = ["error", "warn", "info", "debug", "trace"]
    )]
    pub(crate) log: Option<String>,
}

/// A text that is not to be shown, not even when something goes wrong.
#[derive(Clone)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Make a user of the configuration, with the hash of a passcode.
///
/// The passcode is asked for, or read from standard input if that is no terminal.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  stompbox passwd ann >> stompbox.toml
  stompbox passwd ann --group traders --file stompbox.toml
  pwgen -s 20 1 | stompbox passwd ann --file stompbox.toml")]
pub(crate) struct Passwd {
    /// The login.
    pub(crate) login: String,
    /// Group to put the user in. May be repeated.
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Vec<String>,
    /// Add or replace the user in this file, instead of printing.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// Look at the configuration, as `serve` would have it.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
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
    pub(crate) passcode: Option<Secret>,
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
