//! What destinations and headers are to each kind of broker.

use std::borrow::Cow;

use super::{config::UpstreamKind, shared};

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Send,
    Subscribe,
}

/// Where a client's frame goes, as the broker spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route<'a> {
    pub(super) destination: Cow<'a, str>,
    /// Each message to everybody who is subscribed, so that one subscription may serve many clients.
    pub(super) is_topic: bool,
    /// It can't share a connection: an error would end that, or the name is the connection's own.
    pub(super) is_own: bool,
    /// A header that says what kind of destination it is.
    pub(super) extra: Option<(&'static str, &'static str)>,
    /// What the broker leaves out in front of a message's `destination`.
    pub(super) prefix: &'static str,
}

const USER: &str = "/topic/stompbox.user.";

/// What names of users' topics have in them, and no client can write.
pub(super) const USERS: &str = "stompbox.user.";

/// What HornetQ's names of queues and topics begin with.
const HORNETQ_QUEUE: &str = "jms.queue.";
const HORNETQ_TOPIC: &str = "jms.topic.";

/// Reads a client's destination. `user`: its login, or nothing.
///
/// # Errors
///
/// Why it can't be a destination of that broker.
pub(super) fn route<'a>(
    kind: UpstreamKind,
    purpose: Purpose,
    name: &'a str,
    user: &str,
) -> Result<Route<'a>, &'static str> {
    if let Some(rest) = name.strip_prefix("/user/") {
        let topic = user_topic(purpose, rest, user)?;
        return plain_route(kind, purpose, &topic).map(|route| Route {
            destination: Cow::Owned(route.destination.into_owned()),
            is_topic: route.is_topic,
            is_own: route.is_own,
            extra: route.extra,
            prefix: route.prefix,
        });
    }
    if keeps_users(kind, name) {
        return Err("is kept for destinations of users: use /user/…");
    }
    plain_route(kind, purpose, name)
}

/// The same for a name that is not a user's.
fn plain_route<'a>(
    kind: UpstreamKind,
    purpose: Purpose,
    name: &'a str,
) -> Result<Route<'a>, &'static str> {
    let named = |prefix| {
        name.strip_prefix(prefix)
            .filter(|rest: &&str| !rest.is_empty())
    };
    let plain = |is_topic, is_own| Route {
        destination: Cow::Borrowed(name),
        is_topic,
        is_own,
        extra: None,
        prefix: "",
    };
    if name.starts_with("/dsub/") {
        return Err(
            "names a durable subscription of the broker that is embedded elsewhere: here, \
             subscribe to the topic with the headers of the broker behind",
        );
    }
    if let Some(rest) = named("/queue/").or_else(|| named("/topic/")) {
        let is_topic = name.starts_with("/topic/");
        let has_wildcard = purpose == Purpose::Subscribe && is_topic && is_pattern(rest);
        let is_odd = shared::is_own_name(purpose, is_topic, rest);
        return match kind {
            UpstreamKind::Rabbitmq => {
                if !is_topic && rest.contains(['\r', '\n']) {
                    // It makes the queue without them, and closes the connection of who asks for it with.
                    return Err("has the end of a line in it, which RabbitMQ leaves out of names");
                }
                if has_wildcard && rest.contains('/') {
                    return Err(
                        "has a wildcard and a /: RabbitMQ's levels are parted by dots alone",
                    );
                }
                // Queues of that name are the broker's own: it would close the connection.
                let is_own = !is_topic && rest.starts_with("amq.");
                let rest = encoded(rest);
                let rest = if has_wildcard {
                    open_end(rest, "#")
                } else {
                    rest
                };
                Ok(Route {
                    destination: match rest {
                        Cow::Borrowed(_) => Cow::Borrowed(name),
                        Cow::Owned(rest) => Cow::Owned(format!("{}{rest}", &name[..7])),
                    },
                    ..plain(is_topic, is_own)
                })
            }
            UpstreamKind::Activemq if has_wildcard => {
                let rest = open_end(Cow::Borrowed(rest), ">");
                Ok(Route {
                    destination: Cow::Owned(format!("/topic/{rest}")),
                    ..plain(true, is_odd)
                })
            }
            // With prefixes of its own it would take that for one.
            UpstreamKind::Artemis if rest.starts_with('/') => Err("has nothing between two /"),
            UpstreamKind::Artemis => {
                let header = match purpose {
                    Purpose::Send => "destination-type",
                    Purpose::Subscribe => "subscription-type",
                };
                let begins_open = rest.split('.').next().is_some_and(is_pattern);
                let rest = Cow::Borrowed(rest);
                Ok(Route {
                    destination: if has_wildcard {
                        open_end(rest, "#")
                    } else {
                        rest
                    },
                    extra: Some((header, if is_topic { "MULTICAST" } else { "ANYCAST" })),
                    prefix: if is_topic { "/topic/" } else { "/queue/" },
                    // It takes in addresses of the broker's own, and one of their messages ends the
                    // connection.
                    ..plain(is_topic, is_odd || (has_wildcard && begins_open))
                })
            }
            UpstreamKind::Hornetq => Ok(Route {
                destination: Cow::Owned(match is_topic {
                    true => format!("{HORNETQ_TOPIC}{rest}"),
                    false => format!("{HORNETQ_QUEUE}{rest}"),
                }),
                ..plain(is_topic, is_odd)
            }),
            _ => Ok(plain(is_topic, is_odd)),
        };
    }
    if kind == UpstreamKind::Rabbitmq {
        for exchange in ["/exchange/amq.topic/", "/exchange/amq.direct/"] {
            if let Some(key) = named(exchange) {
                if key.contains('/') {
                    return Err("has more than a routing key behind its exchange: write / as %2F");
                }
                return Ok(plain(true, false));
            }
        }
        if name.starts_with("/exchange//") {
            return Err("names no exchange");
        }
        if name == "/exchange/amq.fanout" {
            return Ok(plain(true, false));
        }
        if let Some(rest) = named("/reply-queue/") {
            if purpose == Purpose::Subscribe {
                return Err("is only for SEND");
            }
            // It names any queue. Where nobody waits any more the broker drops the message, and tells
            // nobody; what is behind a / would be an error.
            return match rest.contains('/') {
                true => Err("is no reply destination"),
                false => Ok(plain(false, false)),
            };
        }
    }
    if kind == UpstreamKind::Artemis && (name.starts_with("/temp-") || name.starts_with("/reply-"))
    {
        return Err("is temporary, which Artemis has not over STOMP: use a /queue/ of your own");
    }
    Ok(plain(false, true))
}

/// The topic by which a user's messages reach all nodes.
fn user_topic(purpose: Purpose, rest: &str, user: &str) -> Result<String, &'static str> {
    let is_kind = |rest: &str| rest.starts_with("queue/") || rest.starts_with("topic/");
    let (of, rest) = if is_kind(rest) {
        if user.is_empty() {
            return Err("needs a login: an anonymous client has no user");
        }
        (user, rest)
    } else {
        match rest.split_once('/') {
            Some((of, rest)) if !of.is_empty() && is_kind(rest) => (of, rest),
            _ => return Err("is neither /user/queue/NAME nor /user/USER/queue/NAME"),
        }
    };
    if purpose == Purpose::Subscribe && of != user {
        return Err("belongs to another user");
    }
    if is_pattern(rest) {
        return Err("has a wildcard, which a user's destination can't have");
    }
    let (kind, rest) = rest.split_once('/').unwrap_or((rest, ""));
    if rest.is_empty() {
        return Err("is neither /user/queue/NAME nor /user/USER/queue/NAME");
    }
    let mut topic = USER.to_owned();
    for byte in of.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            topic.push(char::from(byte));
        } else {
            topic.push_str(&format!("_{byte:02x}"));
        }
    }
    topic.push('.');
    topic.push_str(kind);
    topic.push('.');
    topic.push_str(rest);
    Ok(topic)
}

/// The destination of a message, as its client knows it. `prefix`: see [`Route::prefix`].
pub(super) fn inbound<'a>(kind: UpstreamKind, name: &'a str, prefix: &str) -> Cow<'a, str> {
    let name = match kind {
        UpstreamKind::Rabbitmq if name.contains('%') => {
            match percent_encoding::percent_decode_str(name).decode_utf8() {
                Ok(decoded) if !decoded.contains(['\0', '\r', '\n']) => {
                    Cow::Owned(decoded.into_owned())
                }
                _ => Cow::Borrowed(name),
            }
        }
        UpstreamKind::Hornetq => match name.strip_prefix(HORNETQ_QUEUE) {
            Some(rest) => Cow::Owned(format!("/queue/{rest}")),
            None => match name.strip_prefix(HORNETQ_TOPIC) {
                Some(rest) => Cow::Owned(format!("/topic/{rest}")),
                None => Cow::Borrowed(name),
            },
        },
        UpstreamKind::Artemis if !name.starts_with('/') => Cow::Owned(format!("{prefix}{name}")),
        _ => Cow::Borrowed(name),
    };
    match name.strip_prefix(USER).and_then(user_destination) {
        Some(name) => Cow::Owned(name),
        None => name,
    }
}

fn user_destination(rest: &str) -> Option<String> {
    let (user, rest) = rest.split_once('.')?;
    let (kind, rest) = rest.split_once('.')?;
    let mut bytes = Vec::with_capacity(user.len());
    let mut left = user.as_bytes();
    while let Some((&byte, rest)) = left.split_first() {
        if byte == b'_' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            left = rest.get(2..)?;
        } else {
            bytes.push(byte);
            left = rest;
        }
    }
    let user = String::from_utf8(bytes).ok()?;
    Some(format!("/user/{user}/{kind}/{rest}"))
}

/// Whether a level of it stands for others.
pub(super) fn is_pattern(name: &str) -> bool {
    name.split(['.', '/'])
        .any(|part| matches!(part, "*" | "#" | ">" | "**"))
}

/// Writes "and all below" as the broker does.
fn open_end<'a>(name: Cow<'a, str>, all: &str) -> Cow<'a, str> {
    for end in ["#", ">", "**"] {
        if let Some(front) = name.strip_suffix(end)
            && end != all
            && (front.is_empty() || front.ends_with(['.', '/']))
        {
            return Cow::Owned(format!("{front}{all}"));
        }
    }
    name
}

/// A name as RabbitMQ takes it. What is written `%XX` already stays so.
fn encoded(name: &str) -> Cow<'_, str> {
    if name.contains('/') {
        Cow::Owned(name.replace('/', "%2F"))
    } else {
        Cow::Borrowed(name)
    }
}

/// The header by which a subscription says how many messages it may hold, and its value.
pub(super) fn prefetch(kind: UpstreamKind, messages: u32) -> Option<(&'static str, String)> {
    match kind {
        UpstreamKind::Rabbitmq => Some(("prefetch-count", messages.to_string())),
        UpstreamKind::Activemq => Some(("activemq.prefetchSize", messages.to_string())),
        // Bytes: room for that many of 10 KiB, and it always lets one go.
        UpstreamKind::Artemis => Some((
            "consumer-window-size",
            u64::from(messages).saturating_mul(10 << 10).to_string(),
        )),
        UpstreamKind::Generic | UpstreamKind::Hornetq => None,
    }
}

/// How many messages a client asks to have at a time, by whatever header it knows.
pub(super) fn asked_prefetch(name: &str, value: &str) -> Option<u32> {
    match name {
        "prefetch-count" | "activemq.prefetchSize" | "prefetch" | "x-prefetch" => {
            value.trim().parse().ok().filter(|count| *count > 0)
        }
        "consumer-window-size" | "consumerWindowSize" if value.trim() == "0" => Some(1),
        _ => None,
    }
}

/// Whether a name, or one of those in a list, is where messages to users go, however it is spelt.
fn keeps_users(kind: UpstreamKind, name: &str) -> bool {
    match kind {
        UpstreamKind::Rabbitmq => percent_encoding::percent_decode_str(name)
            .decode_utf8_lossy()
            .contains(USERS),
        _ => name.contains(USERS),
    }
}

/// The names that rules have to allow, as the broker will read a destination. None: it is nobody's to
/// forbid.
///
/// # Errors
///
/// Why nobody can say what the broker takes it for.
pub(super) fn rule_names(
    kind: UpstreamKind,
    name: &str,
    user: &str,
) -> Result<Vec<String>, &'static str> {
    if let Some(rest) = name.strip_prefix("/user/") {
        let own = rest.starts_with("queue/") || rest.starts_with("topic/");
        let of = rest.split_once('/').map(|(of, _)| of);
        return Ok(match own || (!user.is_empty() && of == Some(user)) {
            true => Vec::new(),
            false => vec![name.to_owned()],
        });
    }
    if name.starts_with("/temp-queue/") || name.starts_with("/temp-topic/") {
        return Ok(Vec::new());
    }
    if kind == UpstreamKind::Rabbitmq {
        let decoded = percent_encoding::percent_decode_str(name)
            .decode_utf8()
            .map_err(|_| "is not UTF-8 when its %XX are decoded")?;
        let spelt = |prefix: &str, own: &str| {
            let rest = decoded.strip_prefix(prefix)?;
            Some(vec![format!("{own}{rest}")])
        };
        if decoded.starts_with("/reply-queue/amq.gen-") {
            // The broker made that name, which nobody can guess.
            return Ok(Vec::new());
        }
        return Ok(spelt("/reply-queue/", "/queue/")
            .or_else(|| spelt("/amq/queue/", "/queue/"))
            .or_else(|| spelt("/exchange/amq.topic/", "/topic/"))
            .unwrap_or_else(|| vec![decoded.into_owned()]));
    }
    if name.starts_with("/reply-queue/") || name.starts_with("/reply-topic/") {
        return Ok(Vec::new());
    }
    if name.contains("::") || name.contains("://") || name.contains('?') {
        return Err("has ::, :// or ? in it, by which the broker may take it for something else");
    }
    // Several brokers take a list, each with rules of its own about prefixes.
    let first = name.split(',').next().unwrap_or_default();
    let prefix = ["/queue/", "/topic/"]
        .into_iter()
        .find(|prefix| first.starts_with(prefix))
        .unwrap_or_default();
    let part = |part: &str| {
        let part = part.trim();
        match part.starts_with('/') {
            true => part.to_owned(),
            false => format!("{prefix}{part}"),
        }
    };
    let mut names: Vec<String> = name.split(',').map(part).collect();
    if let Some(whole) = names.first_mut()
        && !name.contains(',')
    {
        // A name without a prefix is one of the broker's own.
        *whole = name.to_owned();
    }
    Ok(names)
}

/// The queue of that name, as RabbitMQ's `/queue/` destinations spell it.
pub(super) fn queue_named(name: &str) -> String {
    format!("/queue/{}", encoded(name))
}

/// The queue that RabbitMQ's `ERROR` is about, as clients name it.
pub(super) fn queue_at_fault(body: &str) -> Option<String> {
    let (_, rest) = body.split_once("queue '")?;
    let (name, _) = rest.split_once('\'')?;
    Some(queue_named(name))
}

/// Whether the broker takes an acknowledgement in a transaction for one outside. Then it is kept here
/// until the transaction is committed, and each message is acknowledged by itself, so that no later one
/// takes in what is kept.
pub(super) fn keeps_acks(kind: UpstreamKind) -> bool {
    matches!(kind, UpstreamKind::Artemis | UpstreamKind::Hornetq)
}

/// Headers that some brokers let through to consumers, and that mean nothing to these.
pub(super) fn is_leaked(name: &str) -> bool {
    matches!(name, "receipt" | "transaction")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(kind: UpstreamKind, purpose: Purpose, name: &str) -> Result<Route<'_>, &'static str> {
        route(kind, purpose, name, "ann")
    }

    #[test]
    fn destinations_are_spelt_as_the_broker_does() {
        use Purpose::{Send, Subscribe};
        use UpstreamKind::{Activemq, Artemis, Generic, Hornetq, Rabbitmq};
        for (kind, purpose, name, spelt, is_topic) in [
            (Generic, Send, "/queue/a", "/queue/a", false),
            (Rabbitmq, Send, "/queue/a/b", "/queue/a%2Fb", false),
            (Rabbitmq, Send, "/queue/a%2Fb", "/queue/a%2Fb", false),
            (Rabbitmq, Subscribe, "/topic/a.>", "/topic/a.#", true),
            (Rabbitmq, Subscribe, "/topic/a.*", "/topic/a.*", true),
            (
                Rabbitmq,
                Send,
                "/exchange/amq.topic/a",
                "/exchange/amq.topic/a",
                true,
            ),
            (Activemq, Subscribe, "/topic/a.#", "/topic/a.>", true),
            (Activemq, Send, "/topic/a#", "/topic/a#", true),
            (Artemis, Subscribe, "/topic/a.**", "a.#", true),
            (Artemis, Send, "/queue/a", "a", false),
            (Hornetq, Send, "/queue/a", "jms.queue.a", false),
            (Hornetq, Subscribe, "/topic/a", "jms.topic.a", true),
        ] {
            let route = to(kind, purpose, name).expect(name);
            assert_eq!(
                (&*route.destination, route.is_topic),
                (spelt, is_topic),
                "{name}"
            );
            assert!(!route.is_own, "{name}");
        }
        let send = to(Artemis, Send, "/queue/a").unwrap();
        assert_eq!(send.extra, Some(("destination-type", "ANYCAST")));
        let subscribe = to(Artemis, Subscribe, "/topic/a").unwrap();
        assert_eq!(subscribe.extra, Some(("subscription-type", "MULTICAST")));
    }

    #[test]
    fn rules_are_asked_about_what_the_broker_takes_a_name_for() {
        use UpstreamKind::{Activemq, Artemis, Generic, Rabbitmq};
        let names = |kind, name| rule_names(kind, name, "ann");
        for (kind, name, asked) in [
            (Rabbitmq, "/queue/a%2Fb", vec!["/queue/a/b"]),
            (Rabbitmq, "/queue/a,/queue/b", vec!["/queue/a,/queue/b"]),
            (Rabbitmq, "/reply-queue/secret", vec!["/queue/secret"]),
            (Rabbitmq, "/reply-queue/amq.gen-x", vec![]),
            (Rabbitmq, "/amq/queue/secret", vec!["/queue/secret"]),
            (Rabbitmq, "/exchange/amq.topic/a", vec!["/topic/a"]),
            (Activemq, "/queue/a,/topic/b", vec!["/queue/a", "/topic/b"]),
            (Activemq, "/queue/a,b", vec!["/queue/a", "/queue/b"]),
            (Generic, "bare", vec!["bare"]),
            (Generic, "/user/queue/x", vec![]),
            (Generic, "/user/ann/queue/x", vec![]),
            (Generic, "/user/bob/queue/x", vec!["/user/bob/queue/x"]),
        ] {
            assert_eq!(names(kind, name).expect(name), asked, "{name}");
        }
        for (kind, name) in [
            (Rabbitmq, "/queue/%FF"),
            (Artemis, "/queue/a::b"),
            (Activemq, "queue://a"),
            (Activemq, "/queue/a?x=y"),
        ] {
            assert!(names(kind, name).is_err(), "{name}");
        }
    }

    #[test]
    fn where_users_are_nobody_else_may_go() {
        use UpstreamKind::{Activemq, Artemis, Hornetq, Rabbitmq};
        for (kind, name) in [
            (Rabbitmq, "/topic/stompbox.user.ann.queue.x"),
            (Rabbitmq, "/topic/stompbox.user.#"),
            (Rabbitmq, "/topic/stompbox%2Euser.ann.queue.x"),
            (Rabbitmq, "/exchange/amq.topic/stompbox.user.ann.queue.x"),
            (Activemq, "/topic/a,/topic/stompbox.user.ann.queue.x"),
            (Activemq, "/topic/a,topic://stompbox.user.ann.queue.x"),
            (Artemis, "/queue/stompbox.user.ann.queue.x"),
            (Hornetq, "jms.topic.stompbox.user.ann.queue.x"),
        ] {
            for purpose in [Purpose::Send, Purpose::Subscribe] {
                assert!(to(kind, purpose, name).is_err(), "{name}");
            }
        }
    }

    #[test]
    fn what_could_end_a_shared_connection_gets_its_own() {
        let all = |name| to(UpstreamKind::Artemis, Purpose::Subscribe, name).unwrap();
        assert!(all("/topic/#").is_own && all("/topic/*.x").is_own);
        assert!(!all("/topic/a.#").is_own);
        for name in [
            "/exchange/mine/key",
            "/amq/queue/a",
            "/temp-queue/a",
            "other",
        ] {
            assert!(
                to(UpstreamKind::Rabbitmq, Purpose::Send, name)
                    .unwrap()
                    .is_own,
                "{name}"
            );
        }
    }

    #[test]
    fn what_the_broker_can_not_is_refused_with_the_reason() {
        for (kind, purpose, name, reason) in [
            (
                UpstreamKind::Rabbitmq,
                Purpose::Subscribe,
                "/topic/a/*",
                "dots",
            ),
            (
                UpstreamKind::Artemis,
                Purpose::Send,
                "/temp-queue/a",
                "temporary",
            ),
            (
                UpstreamKind::Artemis,
                Purpose::Subscribe,
                "/queue//topic/secret",
                "nothing between",
            ),
            (
                UpstreamKind::Generic,
                Purpose::Subscribe,
                "/dsub/a",
                "durable",
            ),
            (
                UpstreamKind::Generic,
                Purpose::Subscribe,
                "/user/bob/queue/a",
                "another",
            ),
            (
                UpstreamKind::Generic,
                Purpose::Send,
                "/user/queue/",
                "neither",
            ),
            (UpstreamKind::Generic, Purpose::Send, "/user/bob", "neither"),
        ] {
            let error = to(kind, purpose, name).expect_err(name);
            assert!(error.contains(reason), "{name}: {error}");
        }
        let anonymous = route(
            UpstreamKind::Generic,
            Purpose::Subscribe,
            "/user/queue/a",
            "",
        );
        assert!(anonymous.expect_err("no user").contains("login"));
    }

    #[test]
    fn user_destinations_come_back_as_they_went() {
        for (user, name) in [
            ("ann", "/user/ann/queue/a.b"),
            ("bø b/.", "/user/bø b/./topic/x"),
        ] {
            let rest = &name["/user/".len() + user.len() + 1..];
            let sent = format!("/user/{user}/{rest}");
            // A name with a slash can't be told from the rest.
            if user.contains('/') {
                let own = format!("/user/{rest}");
                let route = route(UpstreamKind::Rabbitmq, Purpose::Subscribe, &own, user).unwrap();
                assert!(route.is_topic);
                assert_eq!(
                    inbound(UpstreamKind::Rabbitmq, &route.destination, ""),
                    sent
                );
                continue;
            }
            let route = route(UpstreamKind::Generic, Purpose::Send, &sent, "").unwrap();
            assert!(route.is_topic);
            assert_eq!(inbound(UpstreamKind::Generic, &route.destination, ""), sent);
        }
    }

    #[test]
    fn destinations_of_messages_are_as_clients_know_them() {
        let rabbit = |name| inbound(UpstreamKind::Rabbitmq, name, "").into_owned();
        assert_eq!(rabbit("/queue/a%20b%2Fc"), "/queue/a b/c");
        assert_eq!(rabbit("/queue/%ff"), "/queue/%ff");
        assert_eq!(rabbit("/queue/a%0Ab"), "/queue/a%0Ab");
        assert_eq!(
            inbound(UpstreamKind::Hornetq, "jms.topic.a", ""),
            "/topic/a"
        );
        assert_eq!(inbound(UpstreamKind::Artemis, "a", "/queue/"), "/queue/a");
        assert_eq!(
            inbound(UpstreamKind::Artemis, "/queue/a", "/queue/"),
            "/queue/a"
        );
    }
}
