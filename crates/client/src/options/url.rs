//! What a URL says.

use http::Uri;

use crate::ConnectError;

/// A URL without what may be a login and passcode.
pub(crate) fn without_userinfo(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(start);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) => format!("{scheme}{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// A URL that [`ConnectOptions`](crate::ConnectOptions) can use, taken apart.
///
/// ```
/// let url: stompbox::ServerUrl = "ws://[::1]:8080/stomp".parse()?;
/// assert_eq!((url.host(), url.port()), (Some("::1"), Some(8080)));
/// assert!(url.is_websocket() && !url.is_tls());
/// # Ok::<_, stompbox::ConnectError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ServerUrl(Server);

impl ServerUrl {
    /// The host's name or address, without the brackets of an IPv6 address; `None`: it is a socket
    /// in the file system.
    pub fn host(&self) -> Option<&str> {
        match &self.0.place {
            Place::Tcp(host, _) => Some(host),
            Place::Unix(_) => None,
        }
    }

    /// The port, which is the scheme's if the URL has none; `None`: it is a socket in the file
    /// system.
    pub fn port(&self) -> Option<u16> {
        match self.0.place {
            Place::Tcp(_, port) => Some(port),
            Place::Unix(_) => None,
        }
    }

    /// Whether TLS is spoken.
    pub fn is_tls(&self) -> bool {
        self.0.tls
    }

    /// Whether STOMP goes over a WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.0.websocket.is_some()
    }
}

impl std::str::FromStr for ServerUrl {
    type Err = ConnectError;

    /// # Errors
    ///
    /// [`ConnectError::Url`], which says what is wrong.
    fn from_str(url: &str) -> Result<Self, ConnectError> {
        Server::parse(url).map(Self)
    }
}

/// A server, as a URL names it.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// For messages; it holds no passcode.
    pub(crate) url: String,
    pub(crate) place: Place,
    pub(crate) tls: bool,
    /// The request's URL, if it is a WebSocket.
    pub(crate) websocket: Option<Uri>,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A name or address, without the brackets of an IPv6 address, and a port.
    Tcp(String, u16),
    /// A socket in the file system.
    Unix(String),
}

impl Place {
    /// The `host` header for it.
    pub(crate) fn host(&self) -> &str {
        match self {
            Self::Tcp(host, _) => host,
            Self::Unix(_) => "localhost",
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

impl Server {
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectError> {
        let url = without_userinfo(text);
        let wrong = |problem| ConnectError::Url {
            url: url.clone(),
            problem,
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(wrong("it names no socket"));
            }
            if cfg!(not(unix)) {
                return Err(wrong("there are no such sockets here"));
            }
            return Ok(Self {
                place: Place::Unix(path.into()),
                url,
                tls: false,
                websocket: None,
            });
        }
        let uri: Uri = text.parse().map_err(|_| wrong("it is not a URL"))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("it names no host"))?;
        // Ignoring them would connect as somebody else.
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(wrong(
                "login and passcode are given by options, not in the URL",
            ));
        }
        let (port, tls, is_websocket) = match uri.scheme_str() {
            Some("stomp" | "tcp") => (61613, false, false),
            Some("stomp+tls" | "stomp+ssl") => (61612, true, false),
            Some("ws") => (80, false, true),
            Some("wss") => (443, true, true),
            _ => {
                return Err(wrong(
                    "its scheme is none of stomp, stomp+tls, ws, wss and unix",
                ));
            }
        };
        if cfg!(target_arch = "wasm32") {
            if !is_websocket {
                return Err(wrong("in a browser there are ws and wss only"));
            }
        } else if tls && cfg!(not(feature = "tls")) {
            return Err(wrong("it takes the feature \"tls\" of stompbox"));
        } else if is_websocket && cfg!(not(feature = "ws")) {
            return Err(wrong("it takes the feature \"ws\" of stompbox"));
        }
        // An IPv6 address stands in brackets in a URL, not elsewhere.
        let name = host.trim_start_matches('[').trim_end_matches(']');
        Ok(Self {
            place: Place::Tcp(name.to_owned(), uri.port_u16().unwrap_or(port)),
            url,
            tls,
            websocket: is_websocket.then_some(uri),
        })
    }
}

#[cfg(all(test, feature = "tls", feature = "ws"))]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_its_port_and_place() {
        for (url, place, tls, websocket) in [
            ("stomp://h", "h:61613", false, false),
            ("tcp://h:1", "h:1", false, false),
            ("stomp+tls://h", "h:61612", true, false),
            ("ws://[::1]/stomp", "[::1]:80", false, true),
            ("wss://h/a?b", "h:443", true, true),
            ("unix:/run/s", "/run/s", false, false),
            ("unix:///run/s", "/run/s", false, false),
        ] {
            let server = Server::parse(url).unwrap();
            let found = (
                &*server.place.to_string(),
                server.tls,
                server.websocket.is_some(),
            );
            assert_eq!(found, (place, tls, websocket), "{url}");
        }
    }
}
