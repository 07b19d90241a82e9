//! What the name of a destination means.
//!
//! A name is read once, by [`Target::parse`], into one of a few [`Target`]s; the rest of the engine
//! knows no prefixes. A target's *key* is the name under which the broker keeps the destination:
//! all spellings of one destination have the same key, and the key of what belongs to a connection
//! or user holds its token or name, so that nobody else can spell it.
//!
//! # To add a kind of destination
//!
//! 1. Its prefix in [`PREFIXES`], so that comma lists know it.
//! 2. A branch in [`Target::parse`]. If it behaves as a queue or topic does, give its key as one,
//!    and that is all: `/exchange/amq.topic/KEY` is a key `/topic/KEY`, `/user/…` is a topic whose key
//!    has the user's name in it. Say for which [`Purpose`] it is, and refuse the other with what
//!    would be right.
//! 3. If it behaves differently, a variant of [`Target`]. The compiler then names the places that
//!    have to know it: `routing` (where a message goes), `subscribe` (where a subscription gets its
//!    messages from), `transaction` and `feasible` (what a message of a transaction needs).
//! 4. If it ends with something, a [`Life`](crate::queue::Life) of its own.
//! 5. A case in `tests/destinations.rs`, and a line in the table of `docs/broker.md`.
//!
//! `route_from` in `routing` passes over all this for plain `/queue/` and `/topic/` names: a kind
//! that begins with one of these has to be excluded there.

use std::{borrow::Cow, sync::Arc};

use crate::{
    BrokerDialect, BrokerError, Identity, Message, durable_subscription::is_own as is_own_durable,
    pattern::Pattern,
};

/// What a name without a known prefix is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareDestination {
    /// An error, unless a `destination-type` or `subscription-type` header says what it is.
    #[default]
    Error,
    /// `orders` is `/topic/orders`.
    Topic,
    /// `orders` is `/queue/orders`.
    Queue,
}

impl std::str::FromStr for BareDestination {
    type Err = BrokerError;

    fn from_str(text: &str) -> Result<Self, BrokerError> {
        match text {
            "error" => Ok(Self::Error),
            "topic" => Ok(Self::Topic),
            "queue" => Ok(Self::Queue),
            _ => Err(BrokerError::InvalidHeader {
                header: "bare_destination".into(),
                value: cut(text),
                expected: "error, topic or queue",
            }),
        }
    }
}

impl std::fmt::Display for BareDestination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Topic => "topic",
            Self::Queue => "queue",
        })
    }
}

impl BareDestination {
    /// What a header says of a name, or else this.
    fn said(self, multicast: Option<bool>) -> Self {
        match multicast {
            Some(true) => Self::Topic,
            Some(false) => Self::Queue,
            None => self,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Queue | Self::Error => "queue",
        }
    }
}

/// What a destination is for: names mean different things to a `SEND` and a `SUBSCRIBE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Send,
    Subscribe,
}

/// Who asks, and how names are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) purpose: Purpose,
    /// The connection's secret part of the names of its temporary destinations.
    pub(crate) reply_token: &'a str,
    /// The login; empty if there is none.
    pub(crate) login: &'a str,
    pub(crate) bare: BareDestination,
    pub(crate) dialect: BrokerDialect,
    /// `destination-type`, `subscription-type`: `true` for a topic.
    pub(crate) multicast: Option<bool>,
}

/// What a name stands for. Keys are the names under which the broker keeps things: other spellings
/// of one destination have one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// Kept while nobody consumes, each message to one consumer.
    Queue {
        key: Cow<'a, str>,
        must_exist: bool,
    },
    /// Each message to everybody who is subscribed.
    Topic {
        key: Cow<'a, str>,
    },
    /// All queues, or topics, whose keys match. Only for `SUBSCRIBE`.
    Queues(Pattern),
    Topics(Pattern),
    /// The messages that a durable subscription keeps. Only for `SUBSCRIBE`.
    Durable {
        id: Cow<'a, str>,
    },
}

/// Prefixes by which a part of a comma list is known to be a destination.
const PREFIXES: [&str; 11] = [
    SYSTEM,
    "/queue/",
    "/topic/",
    "/temp-queue/",
    "/temp-topic/",
    "/reply-queue/",
    "/reply-topic/",
    "/dsub/",
    "/amq/queue/",
    "/exchange/",
    "/user/",
];

/// The parts of a comma list, or the one name that it is.
pub(crate) fn parts(name: &str, dialect: BrokerDialect) -> impl Iterator<Item = &str> {
    let is_list = name.contains(',')
        && dialect != BrokerDialect::Rabbitmq
        && name.split(',').all(|part| {
            PREFIXES
                .iter()
                .any(|prefix| part.trim().starts_with(prefix))
        });
    let mut whole = (!is_list).then_some(name);
    let mut list = is_list.then(|| name.split(',').map(str::trim));
    std::iter::from_fn(move || whole.take().or_else(|| list.as_mut()?.next()))
}

impl<'a> Target<'a> {
    /// Reads one name.
    ///
    /// # Errors
    ///
    /// The name means nothing, not for this purpose, or is somebody else's.
    #[inline]
    pub(crate) fn parse(name: &'a str, reader: Reader<'_>) -> Result<Self, BrokerError> {
        match decoded(name, reader.dialect)? {
            Cow::Borrowed(name) => Self::parse_decoded(name, reader),
            Cow::Owned(name) => Ok(Target::parse_decoded(&name, reader)?.into_owned()),
        }
    }

    fn parse_decoded(name: &'a str, reader: Reader<'_>) -> Result<Self, BrokerError> {
        let subscribes = reader.purpose == Purpose::Subscribe;
        // Definitions in the store are lines.
        if name.contains(['\n', '\r']) {
            return Err(invalid(name, "has a line break in it"));
        }
        if let Some(rest) = name.strip_prefix("/queue/") {
            not_empty(name, rest)?;
            return Self::named(name, "queue", name.into(), reader.purpose);
        }
        if let Some(rest) = name.strip_prefix("/topic/") {
            not_empty(name, rest)?;
            return Self::named(name, "topic", name.into(), reader.purpose);
        }
        if let Some(rest) = name.strip_prefix(AMQ_QUEUE) {
            not_empty(name, rest)?;
            return Ok(Self::Queue {
                key: own_spelling(name),
                must_exist: true,
            });
        }
        for kind in ["queue", "topic"] {
            let temporary = name
                .strip_prefix("/temp-")
                .and_then(|name| name.strip_prefix(kind)?.strip_prefix('/'));
            if let Some(rest) = temporary {
                let rest = not_empty(name, rest)?;
                let key = format!("/temp-{kind}/{}/{rest}", reader.reply_token).into();
                return Ok(Self::of_kind(kind, key));
            }
            let reply = name
                .strip_prefix("/reply-")
                .and_then(|name| name.strip_prefix(kind)?.strip_prefix('/'));
            if let Some(rest) = reply {
                if subscribes {
                    return Err(invalid(name, "is only for SEND"));
                }
                // The token is a secret of the connection that gave it away.
                if rest
                    .split_once('/')
                    .is_none_or(|(token, rest)| token.is_empty() || rest.is_empty())
                {
                    return Err(invalid(name, "is no reply destination"));
                }
                return Ok(Self::of_kind(kind, format!("/temp-{kind}/{rest}").into()));
            }
        }
        if let Some(id) = name.strip_prefix("/dsub/") {
            if !subscribes {
                return Err(invalid(name, "is only for SUBSCRIBE"));
            }
            return Ok(Self::Durable {
                id: not_empty(name, id)?.into(),
            });
        }
        if let Some(rest) = name.strip_prefix("/exchange/") {
            return Self::exchange(name, rest, reader.purpose);
        }
        if let Some(rest) = name.strip_prefix("/user/") {
            return Self::user(name, rest, reader);
        }
        if let Some(rest) = name.strip_prefix(SYSTEM) {
            if !subscribes {
                return Err(invalid(name, "is only for SUBSCRIBE"));
            }
            not_empty(name, rest)?;
            return Self::named(name, "topic", name.into(), reader.purpose);
        }
        let bare = reader.bare.said(reader.multicast);
        if name.starts_with('/') || bare == BareDestination::Error || name.is_empty() {
            let reason = "begins with none of /queue/, /topic/, /temp-queue/, /temp-topic/, \
                /dsub/, /amq/queue/, /exchange/, /user/ and /$SYS/";
            return Err(invalid(name, reason));
        }
        let kind = bare.kind();
        Self::named(name, kind, format!("/{kind}/{name}").into(), reader.purpose)
    }

    /// A message as it goes here: where its destination is a list, `original-destination` tells by
    /// which part of that it came.
    pub(crate) fn message(&self, message: &Arc<Message>, several: bool) -> Arc<Message> {
        match self {
            // Others know a temporary destination by another name.
            Self::Queue { key, .. } | Self::Topic { key }
                if several && !key.starts_with("/temp-") =>
            {
                Arc::new(message.with_header("original-destination", key))
            }
            _ => Arc::clone(message),
        }
    }

    fn into_owned(self) -> Target<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Queue { key, must_exist } => Target::Queue {
                key: owned(key),
                must_exist,
            },
            Self::Topic { key } => Target::Topic { key: owned(key) },
            Self::Queues(pattern) => Target::Queues(pattern),
            Self::Topics(pattern) => Target::Topics(pattern),
            Self::Durable { id } => Target::Durable { id: owned(id) },
        }
    }

    fn of_kind(kind: &str, key: Cow<'a, str>) -> Self {
        match kind {
            "queue" => Self::Queue {
                key,
                must_exist: false,
            },
            _ => Self::Topic { key },
        }
    }

    /// A queue or topic that anybody may name, or all whose keys match.
    fn named(
        name: &str,
        kind: &str,
        key: Cow<'a, str>,
        purpose: Purpose,
    ) -> Result<Self, BrokerError> {
        match (Pattern::parse(&key), purpose, kind) {
            (None, ..) => Ok(Self::of_kind(kind, key)),
            (Some(_), Purpose::Send, _) => Err(invalid(name, WILDCARD)),
            (Some(pattern), Purpose::Subscribe, "queue") => Ok(Self::Queues(pattern)),
            (Some(pattern), Purpose::Subscribe, _) => Ok(Self::Topics(pattern)),
        }
    }

    /// RabbitMQ's exchanges, as far as they are topics.
    fn exchange(name: &'a str, rest: &'a str, purpose: Purpose) -> Result<Self, BrokerError> {
        match rest.split_once('/') {
            Some(("amq.topic", key)) if !key.is_empty() => {
                Self::named(name, "topic", own_spelling(name), purpose)
            }
            Some(("amq.direct", key)) if !key.is_empty() => Ok(Self::Topic { key: name.into() }),
            None if rest == "amq.fanout" => Ok(Self::Topic { key: name.into() }),
            _ => Err(invalid(
                name,
                "is no exchange here: use /exchange/amq.topic/KEY or /topic/KEY, \
                 /exchange/amq.direct/KEY, /exchange/amq.fanout, or /queue/NAME",
            )),
        }
    }

    /// Spring's user destinations: `/user/queue/x` is the own one, `/user/NAME/queue/x` NAME's.
    fn user(name: &'a str, rest: &'a str, reader: Reader<'_>) -> Result<Self, BrokerError> {
        let own = ["queue/", "topic/"]
            .iter()
            .any(|kind| rest.starts_with(kind));
        let (user, rest) = if own {
            if reader.login.is_empty() {
                return Err(invalid(
                    name,
                    "needs a login: an anonymous client has no user",
                ));
            }
            (reader.login, rest)
        } else {
            let Some((user, rest)) = rest.split_once('/') else {
                return Err(invalid(
                    name,
                    "is neither /user/queue/NAME nor /user/USER/queue/NAME",
                ));
            };
            if reader.purpose == Purpose::Subscribe && user != reader.login {
                return Err(BrokerError::NotYours { name: cut(name) });
            }
            (user, rest)
        };
        let kind = rest.split_once('/');
        if user.is_empty()
            || kind.is_none_or(|(kind, rest)| !matches!(kind, "queue" | "topic") || rest.is_empty())
        {
            return Err(invalid(
                name,
                "is neither /user/queue/NAME nor /user/USER/queue/NAME",
            ));
        }
        // Every session of the user gets what is sent to it.
        Ok(Self::Topic {
            key: format!("/user/{user}/{rest}").into(),
        })
    }
}

/// A name with its `%XX` read, as clients of RabbitMQ and Apollo write what these don't take as it is.
fn decoded(name: &str, dialect: BrokerDialect) -> Result<Cow<'_, str>, BrokerError> {
    if !matches!(dialect, BrokerDialect::Rabbitmq | BrokerDialect::Apollo) || !name.contains('%') {
        return Ok(name.into());
    }
    percent_encoding::percent_decode_str(name)
        .decode_utf8()
        .map_err(|_| invalid(name, "is not UTF-8 when its %XX are decoded"))
}

/// The name under which others reach a temporary destination of this connection's.
pub(crate) fn public_reply(name: &str, reply_token: &str) -> Option<String> {
    let (kind, rest) = name.strip_prefix("/temp-")?.split_once('/')?;
    if !matches!(kind, "queue" | "topic") || rest.is_empty() {
        return None;
    }
    Some(format!("/reply-{kind}/{reply_token}/{rest}"))
}

/// What begins the names of what the server tells of itself.
pub(crate) const SYSTEM: &str = "/$SYS/";

const AMQ_QUEUE: &str = "/amq/queue/";
const AMQ_TOPIC: &str = "/exchange/amq.topic/";

/// What RabbitMQ's spellings of queues and topics are here; other names stay as they are. Rules
/// about destinations and the broker have it from this one place.
fn own_spelling(name: &str) -> Cow<'_, str> {
    if let Some(rest) = name.strip_prefix(AMQ_QUEUE) {
        return format!("/queue/{rest}").into();
    }
    match name.strip_prefix(AMQ_TOPIC) {
        Some(rest) => format!("/topic/{rest}").into(),
        None => name.into(),
    }
}

const WILDCARD: &str = "has a wildcard, which only SUBSCRIBE may have";

fn not_empty<'a>(name: &str, rest: &'a str) -> Result<&'a str, BrokerError> {
    if rest.is_empty() {
        return Err(invalid(name, "has no name after its prefix"));
    }
    Ok(rest)
}

fn invalid(name: &str, reason: &'static str) -> BrokerError {
    BrokerError::InvalidDestination {
        name: cut(name),
        reason,
    }
}

/// As much of a name as an error repeats.
pub(crate) fn cut(name: &str) -> String {
    name.chars().take(80).collect()
}

/// The destinations that a name stands for, each spelt in the one way that rules about
/// destinations are about: `/amq/queue/a` is `/queue/a`, `/exchange/amq.topic/a` is `/topic/a`, and
/// a comma list is each of its parts. Temporary and reply destinations, those of the client's own
/// user, and its durable subscriptions by their full names, are nobody else's to forbid, and are left out. `multicast`: what a `destination-type` or
/// `subscription-type` header says.
pub fn canonical_names(
    identity: &Identity,
    config: &crate::Config,
    name: &str,
    multicast: Option<bool>,
) -> Vec<String> {
    let dialect = identity.reads_as(config);
    let own = [
        "/temp-queue/",
        "/temp-topic/",
        "/reply-queue/",
        "/reply-topic/",
        "/user/queue/",
        "/user/topic/",
    ];
    let is_own = |part: &str| {
        let of_user = part
            .strip_prefix("/user/")
            .and_then(|it| it.split_once('/'));
        own.iter().any(|prefix| part.starts_with(prefix))
            || of_user.is_some_and(|(user, _)| *user == *identity.login && !user.is_empty())
            || part
                .strip_prefix("/dsub/")
                .is_some_and(|name| identity.proven && is_own_durable(identity, name))
    };
    parts(name, dialect)
        // What can't be decoded is refused by the engine.
        .filter_map(|part| decoded(part, dialect).ok())
        .filter(|part| !is_own(part))
        .map(|part| {
            if part.starts_with('/') {
                return own_spelling(&part).into_owned();
            }
            let kind = config.bare_destination.said(multicast).kind();
            format!("/{kind}/{part}")
        })
        .collect()
}
