//! Where the admin listener is, and who asks.

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::header::HeaderValue;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};

use crate::{
    args::Admin,
    contexts::Context,
    exit::Failure,
    target::{context, secret, trusting},
};

const DEFAULT: &str = "http://127.0.0.1:61680";
const DEFAULT_PORT: u16 = 61680;

/// How to get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

/// An admin listener, and what it takes to talk to it.
#[derive(Clone)]
pub(crate) struct Place {
    /// For people.
    pub(crate) url: String,
    pub(crate) way: Way,
    /// The `Host` header.
    pub(crate) host: String,
    /// What a proxy in front wants before `/api/v1`.
    pub(crate) path: String,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Place {
    /// What the options say, then the context.
    ///
    /// A context of a broker elsewhere that does not say where its admin listener is, is refused:
    /// else `purge -x prod` would reach the broker of this machine.
    pub(crate) fn of(args: &Admin) -> Result<Self, Failure> {
        let context = context(args.context.as_deref(), args.admin.is_some())?;
        let url = match (&args.admin, &context.admin) {
            (Some(url), _) | (None, Some(url)) => url.clone(),
            (None, None) if is_here(&context) => DEFAULT.to_owned(),
            (None, None) => {
                let servers = context.server.join(",");
                return Err(format!(
                    "the context of {servers} does not say where its admin listener is: give --admin, \
                     or it to the context, as `stompbox context add NAME -s {servers} --admin URL`"
                )
                .into());
            }
        };
        let mut place = Self::parse(&url)?;
        let user = args.user.as_ref().or(context.user.as_ref());
        let files = [
            &args.passcode_file,
            &args.token_file,
            &context.passcode_file,
            &context.token_file,
        ];
        let passcode = secret(args.passcode.as_ref(), files)?;
        match (user, passcode) {
            (Some(user), _) if user.contains(':') => {
                return Err(format!("the login {user:?} has a colon: HTTP can't send it").into());
            }
            (Some(user), passcode) => {
                let passcode = passcode.map(|it| it.0).unwrap_or_default();
                let text = BASE64_STANDARD.encode(format!("{user}:{passcode}"));
                let mut value = HeaderValue::try_from(format!("Basic {text}"))?;
                value.set_sensitive(true);
                place.authorization = Some(value);
                if place.is_readable_on_the_way() {
                    eprintln!(
                        "stompbox: everybody on the way to {url} can read the passcode: use https://"
                    );
                }
            }
            (None, _) => {}
        }
        if let Way::Tcp {
            host, tls: true, ..
        } = &place.way
        {
            let name = args.tls_name.as_ref().unwrap_or(host);
            let name = ServerName::try_from(name.clone())
                .map_err(|error| format!("{name:?} can't be in a certificate: {error}"))?;
            place.tls = Some((Arc::new(tls(args, &context)?), name));
        }
        Ok(place)
    }

    fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| format!("{url:?} is no admin listener's URL: {why}");
        let place = |way, host: &str, path: &str| Self {
            url: url.trim_end_matches('/').to_owned(),
            way,
            host: host.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
            authorization: None,
            tls: None,
        };
        if let Some(path) = url.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.is_empty() {
                true => Err(wrong("it has no path").into()),
                false => Ok(place(Way::Unix(path.into()), "localhost", "")),
            };
        }
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (scheme, rest),
            // HOST:PORT alone, as with the other verbs.
            None => ("http", url),
        };
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("it begins with http://, https:// or unix:").into()),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(wrong("logins are given with --user and --passcode-file").into());
        }
        if path.contains(['?', '#']) || authority.contains(['?', '#']) {
            return Err(wrong("it has no query and no fragment").into());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let port = port
                    .parse()
                    .map_err(|_| wrong(&format!("{port:?} is no port")))?;
                (host, port)
            }
            _ => match (url.contains("://"), tls) {
                (false, _) => (authority, DEFAULT_PORT),
                (true, false) => (authority, 80),
                (true, true) => (authority, 443),
            },
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.is_empty() {
            return Err(wrong("it has no host").into());
        }
        let header = format!("{host}:{port}");
        let way = Way::Tcp {
            host: bare.to_owned(),
            port,
            tls,
        };
        Ok(place(way, &header, path))
    }

    fn is_readable_on_the_way(&self) -> bool {
        match &self.way {
            Way::Tcp {
                host, tls: false, ..
            } => !is_loopback(host),
            _ => false,
        }
    }
}

/// Whether all of a context's servers are on this machine.
fn is_here(context: &Context) -> bool {
    context.server.iter().all(|server| {
        let rest = match server.split_once("://") {
            Some((_, rest)) => rest,
            None if server.starts_with("unix:") => return true,
            None => server,
        };
        let authority = rest.split('/').next().unwrap_or(rest);
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => host,
            _ => authority,
        };
        is_loopback(host.trim_start_matches('[').trim_end_matches(']'))
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

fn tls(args: &Admin, context: &Context) -> Result<ClientConfig, Failure> {
    if args.insecure {
        return Ok(trusting());
    }
    let mut roots = RootCertStore::empty();
    match args.ca.as_ref().or(context.ca.as_ref()) {
        Some(path) => {
            let wrong = |why: String| format!("{}: {why}", path.display());
            for root in
                CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?
            {
                let root = root.map_err(|error| wrong(error.to_string()))?;
                roots.add(root).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("it has no certificate".into()).into());
            }
        }
        None => {
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs);
            if roots.is_empty() {
                return Err("the system has no roots to trust: give --ca".into());
            }
        }
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    Ok(match (&args.cert, &args.key) {
        (Some(cert), Some(key)) => {
            let wrong = |path: &std::path::Path, error: &dyn std::fmt::Display| {
                format!("{}: {error}", path.display())
            };
            let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert)
                .map_err(|error| wrong(cert, &error))?
                .collect();
            let chain = chain.map_err(|error| wrong(cert, &error))?;
            let key_of = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
            builder.with_client_auth_cert(chain, key_of)?
        }
        _ => builder.with_no_client_auth(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let tcp = |host: &str, port, tls| Way::Tcp {
            host: host.into(),
            port,
            tls,
        };
        for (url, way, host, path) in [
            (
                "http://127.0.0.1:61680",
                tcp("127.0.0.1", 61680, false),
                "127.0.0.1:61680",
                "",
            ),
            ("https://mq:8443/", tcp("mq", 8443, true), "mq:8443", ""),
            ("http://[::1]:1/", tcp("::1", 1, false), "[::1]:1", ""),
            ("http://mq", tcp("mq", 80, false), "mq:80", ""),
            ("mq", tcp("mq", 61680, false), "mq:61680", ""),
            ("mq:9", tcp("mq", 9, false), "mq:9", ""),
            ("[::1]", tcp("::1", 61680, false), "[::1]:61680", ""),
            (
                "https://x.org/mq/",
                tcp("x.org", 443, true),
                "x.org:443",
                "/mq",
            ),
            ("unix:/run/a", Way::Unix("/run/a".into()), "localhost", ""),
            ("unix:///run/a", Way::Unix("/run/a".into()), "localhost", ""),
        ] {
            let place = Place::parse(url).unwrap();
            assert_eq!(
                (place.way, &*place.host, &*place.path),
                (way, host, path),
                "{url}"
            );
        }
        for url in [
            "",
            "http://",
            "unix:",
            "stomp://a",
            "http://a:b",
            "http://u:p@h",
            "http://h/?q",
            "http://h?q",
        ] {
            let error = Place::parse(url).err().map(|it| it.to_string());
            assert!(error.is_some_and(|it| it.contains(url)), "{url}");
        }
    }

    #[test]
    fn brokers_elsewhere_are_known() {
        let here = |servers: &[&str]| {
            is_here(&Context {
                server: servers.iter().map(|&it| it.into()).collect(),
                ..Context::default()
            })
        };
        assert!(here(&[]));
        assert!(here(&[
            "stomp://127.0.0.1:61613",
            "ws://localhost/stomp",
            "[::1]:1",
            "unix:/a"
        ]));
        for server in [
            "mq:61613",
            "wss://mq.example.com/ws",
            "127.0.0.1.example.com:1",
            "[2001:db8::1]:1",
        ] {
            assert!(!here(&[server]), "{server}");
        }
    }
}
