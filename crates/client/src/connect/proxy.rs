//! Connections by a proxy.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Uri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_socks::{
    TargetAddr,
    tcp::{Socks4Stream, Socks5Stream},
};

use super::{Connector, dial::tcp};
use crate::{
    ConnectError,
    error::BoxError,
    options::{Place, without_userinfo},
    transport::Io,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Https,
    /// It knows addresses alone, of IPv4.
    Socks4,
    /// It looks the name up.
    Socks4a,
    Socks5,
}

/// A proxy, as its URL names it.
pub(super) struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    login: Option<(String, String)>,
    /// For messages; it holds no passcode.
    url: String,
}

/// The most bytes of the answer to `CONNECT`.
const ANSWER: usize = 8 << 10;

impl Proxy {
    /// `option`: who is to blame for a URL that is none.
    pub(super) fn parse(text: &str, option: &'static str) -> Result<Self, ConnectError> {
        let url = without_userinfo(text);
        let wrong = |problem: &str| ConnectError::Option {
            option,
            problem: format!("{url:?}: {problem}"),
        };
        let uri: Uri = text.parse().map_err(|_| wrong("it is not a URL"))?;
        let (kind, port) = match uri.scheme_str() {
            Some("http") => (Kind::Http, 8080),
            Some("https") if cfg!(feature = "tls") => (Kind::Https, 443),
            Some("https") => return Err(wrong("it takes the feature \"tls\" of stompbox")),
            Some("socks5" | "socks5h") => (Kind::Socks5, 1080),
            Some("socks4") => (Kind::Socks4, 1080),
            Some("socks4a") => (Kind::Socks4a, 1080),
            _ => {
                return Err(wrong(
                    "its scheme is none of http, https, socks5, socks4a and socks4",
                ));
            }
        };
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("it names no host"))?;
        let authority = uri.authority().map_or("", |a| a.as_str());
        let login = match authority.rsplit_once('@') {
            None => None,
            Some((login, _)) => {
                let (login, passcode) = login.split_once(':').unwrap_or((login, ""));
                if matches!(kind, Kind::Socks4 | Kind::Socks4a) && !passcode.is_empty() {
                    return Err(wrong("SOCKS4 has a login, but no passcode"));
                }
                let login = unescape(login).zip(unescape(passcode));
                Some(login.ok_or_else(|| wrong("its login has a broken escape"))?)
            }
        };
        Ok(Self {
            kind,
            host: host
                .trim_start_matches('[')
                .trim_end_matches(']')
                .to_owned(),
            port: uri.port_u16().unwrap_or(port),
            login,
            url,
        })
    }

    /// The URL without what is secret.
    #[cfg(test)]
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "it never is"))]
    pub(super) fn is_tls(&self) -> bool {
        self.kind == Kind::Https
    }
}

/// Undoes `%XX`, by which a URL holds what would end the login.
fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet == b'%' {
            let digits = [octets.next()?, octets.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            out.push(octet);
        }
    }
    String::from_utf8(out).ok()
}

impl Connector {
    /// Has the proxy connect to a server, whose name it looks up.
    pub(super) async fn by_proxy(
        &self,
        proxy: &Proxy,
        host: &str,
        port: u16,
    ) -> Result<Box<dyn Io>, ConnectError> {
        let mut io = tcp(&proxy.host, proxy.port).await?;
        if proxy.kind == Kind::Https {
            io = self.secure_proxy(io, proxy).await?;
        }
        let address = Place::Tcp(host.to_owned(), port).to_string();
        let failed = |source| ConnectError::Proxy {
            proxy: proxy.url.clone(),
            address: address.clone(),
            source,
        };
        match proxy.kind {
            Kind::Http | Kind::Https => {
                let login = proxy.login.as_ref();
                let made = tunnel(&mut io, &address, login).await;
                made.map(|()| io).map_err(failed)
            }
            Kind::Socks4 | Kind::Socks4a => {
                let made = socks4(io, proxy, host, port).await;
                made.map_err(failed)
            }
            Kind::Socks5 => {
                let made = socks5(io, proxy, host, port).await;
                made.map_err(|error| failed(error.into()))
            }
        }
    }

    /// The TLS of the proxy itself, whose name is its own.
    #[cfg(feature = "tls")]
    async fn secure_proxy(
        &self,
        io: Box<dyn Io>,
        proxy: &Proxy,
    ) -> Result<Box<dyn Io>, ConnectError> {
        let address = format!("{}:{}", proxy.host, proxy.port);
        let name = rustls::pki_types::ServerName::try_from(proxy.host.clone());
        let name = name.map_err(|error| ConnectError::Tls {
            address: address.clone(),
            source: error.into(),
        })?;
        self.secure_as(io, name, &address).await
    }

    #[cfg(not(feature = "tls"))]
    async fn secure_proxy(
        &self,
        io: Box<dyn Io>,
        proxy: &Proxy,
    ) -> Result<Box<dyn Io>, ConnectError> {
        self.secure(io, &proxy.host, &proxy.host).await
    }
}

async fn socks5(
    io: Box<dyn Io>,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<Box<dyn Io>, tokio_socks::Error> {
    let target = (host, port);
    let stream = match &proxy.login {
        None => Socks5Stream::connect_with_socket(io, target).await?,
        Some((login, passcode)) => {
            Socks5Stream::connect_with_password_and_socket(io, target, login, passcode).await?
        }
    };
    Ok(Box::new(stream))
}

async fn socks4(
    io: Box<dyn Io>,
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> Result<Box<dyn Io>, BoxError> {
    let target = if proxy.kind == Kind::Socks4a && host.parse::<IpAddr>().is_err() {
        TargetAddr::Domain(host.into(), port)
    } else {
        let mut addresses = tokio::net::lookup_host((host, port)).await?;
        let address = addresses.find(SocketAddr::is_ipv4);
        TargetAddr::Ip(address.ok_or("SOCKS4 needs an address of IPv4, and the server has none")?)
    };
    let stream = match &proxy.login {
        None => Socks4Stream::connect_with_socket(io, target).await?,
        Some((login, _)) => Socks4Stream::connect_with_userid_and_socket(io, target, login).await?,
    };
    Ok(Box::new(stream))
}

/// Asks an HTTP proxy for a tunnel (RFC 9110, 9.3.6).
async fn tunnel(
    io: &mut Box<dyn Io>,
    address: &str,
    login: Option<&(String, String)>,
) -> Result<(), BoxError> {
    let mut request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n");
    if let Some((login, passcode)) = login {
        let both = BASE64_STANDARD.encode(format!("{login}:{passcode}"));
        request.push_str(&format!("Proxy-Authorization: Basic {both}\r\n"));
    }
    request.push_str("\r\n");
    io.write_all(request.as_bytes()).await?;
    io.flush().await?;
    // An octet at a time: what follows the answer is the server's.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == ANSWER {
            return Err(format!("its answer is longer than {ANSWER} bytes").into());
        }
        match io.read_u8().await {
            Ok(octet) => answer.push(octet),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err("it closed the connection".into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    let text = String::from_utf8_lossy(&answer);
    let line = text.lines().next().unwrap_or_default();
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    let code = words.next().unwrap_or_default();
    if is_http && code.len() == 3 && code.starts_with('2') {
        Ok(())
    } else {
        Err(format!("it answered {line:?}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_of_proxies_are_unescaped_and_hidden() {
        let proxy = Proxy::parse("socks5://ann:p%40ss@[::1]:9", "proxy").unwrap();
        assert_eq!((&*proxy.host, proxy.port), ("::1", 9));
        assert_eq!(proxy.login, Some(("ann".into(), "p@ss".into())));
        assert_eq!(proxy.url, "socks5://[::1]:9");
        let error = Proxy::parse("ftp://ann:secret@h", "proxy")
            .err()
            .unwrap()
            .to_string();
        assert!(
            !error.contains("secret") && error.contains("scheme"),
            "{error}"
        );
        assert!(Proxy::parse("http://a:%x@h", "proxy").is_err());
        assert!(Proxy::parse("socks4://a:b@h", "proxy").is_err());
    }
}
