//! The PROXY protocol: a load balancer says, before anything else, whose connection it passes on.

mod header;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use header::{Next, SEEN, Source};
use ipnet::IpNet;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::peer::Remote;

/// Load balancers that are believed: an address, a network as `10.0.0.0/8`, or `unix:`, which is
/// whoever may connect to a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy(Who);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Of(IpNet),
    Unix,
}

/// A text that is no [`TrustedProxy`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidProxy {
    /// It is neither an address nor a network.
    #[error("{0:?} is neither an IP address nor a network like \"10.0.0.0/8\" nor \"unix:\"")]
    Malformed(String),
    /// The address has bits that the network's prefix leaves out.
    #[error("{given} is an address within a network: the network is {network}")]
    Host {
        /// What was given.
        given: String,
        /// What was meant, perhaps.
        network: String,
    },
}

impl TrustedProxy {
    /// An IPv4 address is the same as its IPv6 form, by which a socket for both knows it.
    pub(crate) fn has(self, remote: Remote) -> bool {
        match (self.0, remote) {
            (Who::Of(network), Remote::At(address)) => {
                network.contains(&address.ip().to_canonical())
            }
            (Who::Unix, Remote::Unix) => true,
            _ => false,
        }
    }

    pub(crate) fn is_unix(self) -> bool {
        self.0 == Who::Unix
    }
}

impl FromStr for TrustedProxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        if text == "unix:" {
            return Ok(Self(Who::Unix));
        }
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text
                .parse()
                .map_err(|_| InvalidProxy::Malformed(text.to_owned()))?,
        };
        if network.trunc() != network {
            return Err(InvalidProxy::Host {
                given: text.to_owned(),
                network: network.trunc().to_string(),
            });
        }
        Ok(Self(Who::Of(network)))
    }
}

impl fmt::Display for TrustedProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Who::Unix => f.write_str("unix:"),
            Who::Of(it) if it.prefix_len() == it.max_prefix_len() => it.addr().fmt(f),
            Who::Of(it) => it.fmt(f),
        }
    }
}

/// Reads a header and not a byte more. `None`: the connection is the proxy's own, as when it looks
/// whether there is somebody here.
///
/// # Errors
///
/// The stream's, and `InvalidData` where what it has is no header.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let invalid =
        |error: header::Malformed| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
    let mut seen = [0; SEEN];
    let mut length = 0;
    loop {
        let known = seen.get(..length).unwrap_or_default();
        match header::next(known).map_err(invalid)? {
            Next::More(count) => {
                let end = SEEN.min(length + count);
                let room = seen.get_mut(length..end).unwrap_or_default();
                length += some(stream.read(room).await?)?;
            }
            Next::Skip(count, source) => {
                let mut left = count;
                while left > 0 {
                    let room = seen.get_mut(..left.min(SEEN)).unwrap_or_default();
                    left -= some(stream.read(room).await?)?;
                }
                return Ok(match source {
                    Source::Client(address) => Some(address),
                    Source::Proxy => None,
                });
            }
        }
    }
}

fn some(read: usize) -> io::Result<usize> {
    match read {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        read => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_a_network_in_either_form() {
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("::ffff:127.0.0.1", "127.0.0.1", true),
            ("fd00::/8", "fd12::1", true),
            ("::/0", "10.1.2.3", false),
            ("0.0.0.0/0", "10.1.2.3", true),
        ] {
            let proxy: TrustedProxy = network.parse().unwrap();
            let remote = Remote::At(SocketAddr::new(address.parse().unwrap(), 1));
            assert_eq!(proxy.has(remote), expected, "{network}");
            assert!(!proxy.has(Remote::Unix));
        }
    }

    #[test]
    fn what_is_no_network_is_refused_and_what_was_meant_is_named() {
        for (text, part) in [
            ("10.0.0.1/8", "the network is 10.0.0.0/8"),
            ("10.0.0.0/33", "\"10.0.0.0/33\" is neither"),
            ("localhost", "\"localhost\" is neither"),
            ("10.0.0.1:80", "neither"),
            ("", "neither"),
        ] {
            let error = text.parse::<TrustedProxy>().unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        for text in ["10.0.0.0/8", "127.0.0.1", "fd00::/8", "::1", "unix:"] {
            assert_eq!(text.parse::<TrustedProxy>().unwrap().to_string(), text);
        }
    }
}
