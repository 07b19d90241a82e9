//! The configuration file: its tables, and where in it something is wrong.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::SocketAddr,
    ops::Range,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de};
use stompbox_server::{
    Address, BareDestination, BrokerDialect, Config, GatewayConfig, HeartBeat, Listen, Permission,
    Protocol, Role, Rule, Tls, TrustedProxy, UnixSocket, User, Who,
};
use toml::Spanned;

use super::{
    gateway::GatewayTable,
    limits::{LIMITS, Limit},
};

/// What a file says. What it does not say is left to the defaults.
pub(crate) struct File {
    pub(crate) log: Option<String>,
    pub(crate) heart_beat: Option<HeartBeat>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) threads: Option<usize>,
    pub(crate) dialect: Option<BrokerDialect>,
    pub(crate) bare_destination: Option<BareDestination>,
    pub(crate) allow_anonymous: Option<bool>,
    pub(crate) allowed_origins: Option<Vec<String>>,
    pub(crate) websocket_compression: Option<bool>,
    pub(crate) sockjs: Option<String>,
    pub(crate) listen: Option<Vec<Listen>>,
    pub(crate) users: Option<Vec<User>>,
    pub(crate) rules: Option<Vec<Rule>>,
    pub(crate) admin: Option<AdminTable>,
    pub(crate) gateway: Option<GatewayConfig>,
    /// Values that their limits take.
    pub(crate) limits: Vec<(&'static Limit, String)>,
}

impl File {
    /// Reads and checks a file. An error names the file, the line, and no secret.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("can't read {}: {error}", path.display()))?;
        let at = |span, message: &str| located(path, &text, span, message);
        let tables: Tables =
            toml::from_str(&text).map_err(|error| at(error.span(), &explain(error.message())))?;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let each = |table: Spanned<ListenTable>| {
            let span = Some(table.span());
            let listen = table.into_inner().into_listen(folder);
            listen.map_err(|message| at(span, &message))
        };
        let listen = tables.listen.map(|t| t.into_iter().map(each).collect());
        let gateway = tables.gateway.map(|table: Spanned<GatewayTable>| {
            let span = Some(table.span());
            let gateway = table.into_inner().into_config(folder);
            gateway.map_err(|message| at(span, &message))
        });
        let each = |table: Spanned<UserTable>| {
            let span = Some(table.span());
            let user = table.into_inner().into_user();
            user.map_err(|message| at(span, &message))
        };
        let users = tables.user.map(|t| t.into_iter().map(each).collect());
        let each = |(name, value): (Spanned<String>, Spanned<LimitText>)| {
            let Some(limit) = Limit::named(name.get_ref()) else {
                let names: Vec<_> = LIMITS.iter().map(|limit| limit.name).collect();
                return Err(at(Some(name.span()), &unknown(name.get_ref(), &names)));
            };
            let text = value.get_ref().0.clone();
            match limit.apply(&mut Config::default(), &text) {
                Ok(()) => Ok((limit, text)),
                Err(message) => Err(at(
                    Some(value.span()),
                    &format!("{}: {message}", limit.name),
                )),
            }
        };
        let limits: Result<_, String> = tables.limits.into_iter().map(each).collect();
        let rule = |table: RuleTable| Rule {
            who: table.who.0,
            allow: table.allow.into_iter().map(|text| text.0).collect(),
            deny: table.deny.into_iter().map(|text| text.0).collect(),
        };
        Ok(Self {
            log: tables.log,
            heart_beat: tables.heart_beat.map(|text| text.0),
            // As with the files of TLS, a relative path is relative to the file.
            data: tables.data.map(|data| folder.join(data)),
            threads: tables.threads,
            dialect: tables.dialect.map(|text| text.0),
            bare_destination: tables.bare_destination.map(|text| text.0),
            allow_anonymous: tables.allow_anonymous,
            allowed_origins: tables.allowed_origins,
            websocket_compression: tables.websocket_compression,
            sockjs: tables.sockjs,
            listen: listen.transpose()?,
            users: users.transpose()?,
            rules: tables.acl.map(|t| t.into_iter().map(rule).collect()),
            admin: tables.admin,
            gateway: gateway.transpose()?,
            limits: limits?,
        })
    }
}

/// A message with the file and the line.
pub(crate) fn located(
    path: &Path,
    text: &str,
    span: Option<Range<usize>>,
    message: &str,
) -> String {
    let start = span.map_or(0, |span| span.start).min(text.len());
    let before = text.as_bytes().get(..start).unwrap_or_default();
    let line = 1 + before.iter().filter(|octet| **octet == b'\n').count();
    format!("{}:{line}: {message}", path.display())
}

/// Puts the parser's words for an unknown key into ours.
fn explain(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown field ") else {
        return message.to_owned();
    };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let name = quoted.next().unwrap_or_default();
    // That key is only there to be refused.
    let names: Vec<_> = quoted.filter(|name| !REFUSED.contains(name)).collect();
    unknown(name, &names)
}

fn unknown(name: &str, names: &[&str]) -> String {
    let nearest = names.iter().min_by_key(|known| distance(name, known));
    match nearest {
        Some(nearest) if distance(name, nearest) <= 2 + name.len() / 4 => {
            format!("unknown key {name:?}; did you mean {nearest:?}?")
        }
        _ => format!("unknown key {name:?}; there are {}", names.join(", ")),
    }
}

/// How many letters have to be changed, added or removed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (index, own) in a.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(b.chars()) {
            let best = (diagonal + usize::from(own != other))
                .min(left + 1)
                .min(*cell + 1);
            diagonal = std::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// The file as the parser sees it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    log: Option<String>,
    heart_beat: Option<HeartBeatText>,
    data: Option<PathBuf>,
    threads: Option<usize>,
    dialect: Option<DialectText>,
    bare_destination: Option<BareText>,
    allow_anonymous: Option<bool>,
    allowed_origins: Option<Vec<String>>,
    websocket_compression: Option<bool>,
    sockjs: Option<String>,
    listen: Option<Vec<Spanned<ListenTable>>>,
    user: Option<Vec<Spanned<UserTable>>>,
    acl: Option<Vec<RuleTable>>,
    admin: Option<AdminTable>,
    gateway: Option<Spanned<GatewayTable>>,
    #[serde(default)]
    limits: BTreeMap<Spanned<String>, Spanned<LimitText>>,
}

/// What a file says of the admin listener.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminTable {
    pub(crate) listen: Option<AdminAddress>,
    pub(crate) tls: Option<bool>,
    pub(crate) hosts: Option<Vec<String>>,
    pub(crate) metrics_login: Option<bool>,
    pub(crate) metrics_destinations: Option<usize>,
    pub(crate) max_connections: Option<usize>,
    #[serde(default)]
    pub(crate) proxy_protocol: Proxies,
}

/// An address, or `off`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct AdminAddress(pub(crate) Option<SocketAddr>);

impl FromStr for AdminAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let address = text.parse().map(|address| Self(Some(address)));
        address.map_err(|_| format!("{text:?} is neither an address with its port nor \"off\""))
    }
}

impl TryFrom<String> for AdminAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListenTable {
    bind: AddressText,
    mode: Option<ModeText>,
    protocols: Vec<ProtocolName>,
    tls: Option<TlsTable>,
    #[serde(default)]
    proxy_protocol: Proxies,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ProtocolName {
    Stomp,
    Http,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

impl ListenTable {
    /// Paths count from the file's folder.
    fn into_listen(self, folder: &Path) -> Result<Listen, String> {
        let protocol = match *self.protocols {
            [ProtocolName::Stomp] => Protocol::Stomp,
            [ProtocolName::Http] => Protocol::Http,
            [ProtocolName::Stomp, ProtocolName::Http]
            | [ProtocolName::Http, ProtocolName::Stomp] => Protocol::Both,
            _ => {
                return Err("protocols is [\"stomp\"], [\"http\"] or [\"stomp\", \"http\"]".into());
            }
        };
        let tls = self.tls.map(|tls| Tls {
            cert: folder.join(tls.cert),
            key: folder.join(tls.key),
            client_ca: tls.client_ca.map(|path| folder.join(path)),
        });
        let bind = match (self.bind.0, self.mode) {
            (bind @ Address::Tcp(_), None) => bind,
            (Address::Tcp(_), Some(_)) => {
                return Err("mode is for the file of a Unix socket".into());
            }
            (Address::Unix(socket), mode) => Address::Unix(UnixSocket {
                path: folder.join(socket.path),
                mode: mode.map(|mode| mode.0),
            }),
        };
        Ok(Listen {
            bind,
            protocol,
            tls,
            proxy_protocol: self.proxy_protocol.0,
        })
    }
}

/// Keys that people try for a passcode in plain text.
const REFUSED: [&str; 2] = ["passcode", "password"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserTable {
    login: String,
    hash: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    role: Option<RoleText>,
    #[serde(default, alias = "password")]
    #[expect(dead_code, reason = "reading it fails, and says what to do")]
    passcode: Option<Refused>,
}

impl UserTable {
    fn into_user(self) -> Result<User, String> {
        let Self {
            login,
            hash,
            groups,
            role,
            passcode: _,
        } = self;
        let hash =
            hash.ok_or_else(|| format!("user {login:?} has no hash; `stompbox passwd` makes one"))?;
        User::new(&login, &hash)
            .and_then(|user| user.with_groups(groups))
            .map(|user| user.with_role(role.map(|role| role.0)))
            .map_err(|error| format!("user {login:?}: {error}"))
    }
}

/// Can't be read.
struct Refused;

impl<'de> Deserialize<'de> for Refused {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(
            "a passcode in plain text is not taken; `stompbox passwd LOGIN --file FILE` puts its \
             hash here",
        ))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    who: WhoText,
    #[serde(default)]
    allow: Vec<PermissionText>,
    #[serde(default)]
    deny: Vec<PermissionText>,
}

/// Makes a type that is read from a string.
macro_rules! from_text {
    ($name:ident, $inner:ty, $parse:expr) => {
        #[derive(Deserialize)]
        #[serde(try_from = "String")]
        struct $name($inner);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                let parsed: Result<$inner, _> = $parse(&text);
                parsed.map(Self).map_err(|error| error.to_string())
            }
        }
    };
}

from_text!(AddressText, Address, str::parse);
from_text!(ModeText, u32, mode);
from_text!(ProxyText, TrustedProxy, str::parse);
from_text!(RoleText, Role, str::parse);
from_text!(WhoText, Who, str::parse);
from_text!(PermissionText, Permission, str::parse);
from_text!(HeartBeatText, HeartBeat, HeartBeat::parse);
from_text!(DialectText, BrokerDialect, str::parse);
from_text!(BareText, BareDestination, str::parse);

/// Load balancers: at least one, where they are spoken of.
#[derive(Default, Deserialize)]
#[serde(try_from = "Vec<ProxyText>")]
pub(crate) struct Proxies(pub(crate) Vec<TrustedProxy>);

impl TryFrom<Vec<ProxyText>> for Proxies {
    type Error = &'static str;

    fn try_from(texts: Vec<ProxyText>) -> Result<Self, Self::Error> {
        match texts.is_empty() {
            false => Ok(Self(texts.into_iter().map(|text| text.0).collect())),
            // Nobody could connect, or everybody without a header: neither is what was meant.
            true => Err(
                "proxy_protocol names no load balancer; leave it out, or name all by \
                 [\"0.0.0.0/0\", \"::/0\"]",
            ),
        }
    }
}

/// Permissions of a file, in octal digits.
fn mode(text: &str) -> Result<u32, String> {
    let digits = (3..=4).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit());
    let mode = u32::from_str_radix(text, 8).ok();
    let mode = mode.filter(|mode| digits && *mode <= 0o777);
    mode.ok_or_else(|| format!("{text:?} is no mode of a file like \"0660\""))
}

/// A number, or a text with a unit.
struct LimitText(String);

impl<'de> Deserialize<'de> for LimitText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = LimitText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or a text as \"10s\" or \"4MiB\"")
            }

            fn visit_i64<E>(self, number: i64) -> Result<LimitText, E> {
                Ok(LimitText(number.to_string()))
            }

            fn visit_str<E>(self, text: &str) -> Result<LimitText, E> {
                Ok(LimitText(text.to_owned()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_proposed() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "ab"), 2);
        let names = ["bind", "protocols", "tls"];
        assert_eq!(
            unknown("bnid", &names),
            "unknown key \"bnid\"; did you mean \"bind\"?"
        );
        assert_eq!(
            unknown("something", &names),
            "unknown key \"something\"; there are bind, protocols, tls"
        );
    }
}
