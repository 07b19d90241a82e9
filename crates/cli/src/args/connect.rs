//! Where the broker is, and who asks: the same for all commands that connect.

use std::{path::PathBuf, time::Duration};

use clap::Args as ClapArgs;

use super::Secret;
use crate::settings::units::Unit;

/// Where the broker is, and who asks.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connect {
    /// The broker: stomp://HOST:PORT, stomp+tls://, ws://HOST:PORT/PATH, wss:// or unix:PATH; several,
    /// with commas between, are tried in turn. HOST:PORT alone is TCP, tls:// is stomp+tls://, and
    /// http:// and https:// are ws:// and wss://.
    /// [default: the context's, or stomp://127.0.0.1:61613]
    #[arg(
        short,
        long,
        visible_alias = "url",
        env = "STOMPBOX_URL",
        value_delimiter = ','
    )]
    pub(crate) server: Vec<String>,
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
    /// The `host` header. [default: the server's host name]
    #[arg(long, value_name = "NAME")]
    pub(crate) vhost: Option<String>,
    /// The `client-id` header.
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Header of CONNECT to add. May be repeated.
    #[arg(long, value_name = "NAME:VALUE")]
    pub(crate) connect_header: Vec<String>,
    /// Version to speak; may be repeated. [default: all]
    #[arg(long, value_name = "VERSION", value_parser = ["1.0", "1.1", "1.2"])]
    pub(crate) stomp: Vec<String>,
    /// Heart-beats to offer and to ask for, as 10s,10s; 0,0 for none.
    #[arg(long, value_name = "SEND,RECEIVE", default_value = "10s,10s")]
    pub(crate) heart_beat: String,
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
    /// HTTP header of the WebSocket's upgrade. May be repeated.
    #[arg(long, value_name = "NAME:VALUE")]
    pub(crate) http_header: Vec<String>,
    /// The Origin of the WebSocket's upgrade.
    #[arg(long, value_name = "URL")]
    pub(crate) origin: Option<String>,
    /// Proxy: http://, https:// or socks5://HOST:PORT.
    #[arg(
        long,
        value_name = "URL",
        env = "STOMPBOX_PROXY",
        hide_env_values = true
    )]
    pub(crate) proxy: Option<String>,
    /// How long to wait for the connection, and for each receipt.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Connect again when the connection is lost, or not made at first.
    #[arg(long)]
    pub(crate) retry: bool,
    /// Tell on standard error how connections are made, and of errors; with -vv each frame, with
    /// -vvv the beginnings of bodies too. Passcodes and tokens are not shown.
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How messages may be acknowledged; the last is short for the one before.
pub(crate) const ACK_MODES: [&str; 4] = ["auto", "client", "client-individual", "individual"];

/// A time, as 500ms, 10s or 5min.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    // A number alone counts seconds here, as with all such programs.
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()),
        Err(_) => Unit::Time.parse(text).map(Duration::from_millis),
    }
}

/// A size, as 4096 or 4KiB.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    let size = Unit::Bytes.parse(text)?;
    usize::try_from(size).map_err(|error| error.to_string())
}

/// Messages a second, as 100, 100/s, 20k/s or 6000/min.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is no rate, as 100/s, 20k/s or 600/min");
    let (number, seconds) = match text.split_once('/') {
        None => (text, 1.0),
        Some((number, "s")) => (number, 1.0),
        Some((number, "m" | "min")) => (number, 60.0),
        Some((number, "h")) => (number, 3600.0),
        Some(_) => return Err(wrong()),
    };
    let (number, factor) = match number.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1000.0),
        None => (number, 1.0),
    };
    let rate = number.parse::<f64>().map_err(|_| wrong())? * factor / seconds;
    if rate.is_finite() && rate > 0.0 {
        Ok(rate)
    } else {
        Err(wrong())
    }
}
