//! A client as the gateway serves it: what of its frames goes to which broker connection.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    sync::{Arc, atomic::Ordering},
};

use stompbox_broker::selector::Selector;
use stompbox_proto::{
    AckMode, Command as Verb, ContentLength, Dialect, FrameRef,
    server::{AckTarget, Event},
};

use super::{
    Gateway,
    config::UpstreamKind,
    kind::{self, Purpose, Route},
    link::{Identity, Link},
    mail::{Failure, Mail, Written},
    shared,
    state::{self, Ack, Acknowledge, Name, Subscribe},
    topics::Use,
};
use crate::hub::Outbox;

/// A client's place on a link. It is given up when this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    link: Arc<Link>,
    member: u64,
    is_own: bool,
    /// Something was sent by it.
    is_used: bool,
    shown: Arc<state::Shown>,
}

/// Bytes of receipts that a client may wait for. With more it is not read until the broker gives some.
const MOST_OWED: usize = 1 << 20;

impl Seat {
    pub(super) fn take(
        link: Arc<Link>,
        member: u64,
        is_own: bool,
        outbox: &Arc<Outbox>,
        dialect: Dialect,
    ) -> Self {
        let shown = link.work().join(member, Arc::clone(outbox), dialect);
        Self {
            shown,
            link,
            member,
            is_own,
            is_used: false,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.link.work().leave(self.member);
    }
}

/// Where a subscription of a client's is.
#[derive(Debug)]
enum Place {
    Topic(Use),
    Seat { on_own: bool, number: u64 },
}

/// What is to be done with a frame.
#[derive(Debug)]
pub(crate) enum Act {
    /// It has gone to the broker.
    Done,
    /// Nothing more: answer it.
    Receipt(Option<Box<str>>),
    /// The engine does it, for it hands out what comes of topics.
    Engine,
    /// The engine subscribes the client to that topic of its own.
    Subscribe {
        topic: Arc<str>,
        receipt: Option<Box<str>>,
    },
}

/// A client behind which brokers stand.
#[derive(Debug)]
pub(crate) struct Client {
    gateway: Arc<Gateway>,
    outbox: Arc<Outbox>,
    user: Box<str>,
    dialect: Dialect,
    main: Seat,
    /// A connection of its own beside the one that it shares.
    own: Option<Seat>,
    identity: Identity,
    subscriptions: HashMap<Box<str>, Place>,
    /// Taken out of the outbox and not yet written.
    pub(crate) mail: Mail,
    /// What is to be acknowledged when so many bytes are written.
    pub(crate) marks: VecDeque<(u64, Vec<Written>)>,
    /// Connections that still have to say that all has arrived.
    byes: usize,
}

type Done = Result<Act, Box<Failure>>;

impl Client {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        outbox: Arc<Outbox>,
        user: &str,
        dialect: Dialect,
        main: Seat,
        identity: Identity,
    ) -> Self {
        Self {
            gateway,
            outbox,
            user: user.into(),
            dialect,
            main,
            own: None,
            identity,
            subscriptions: HashMap::new(),
            mail: Mail::default(),
            marks: VecDeque::new(),
            byes: 0,
        }
    }

    /// More waits for the broker than it takes: nothing is to be read.
    pub(crate) fn is_congested(&self) -> bool {
        let seats = self.own.iter().chain([&self.main]);
        seats.into_iter().any(|seat| {
            seat.link.is_congested() || seat.shown.owed.load(Ordering::Relaxed) > MOST_OWED
        })
    }

    /// The client has taken what waited.
    pub(crate) fn taken(&self) {
        for seat in self.own.iter().chain([&self.main]) {
            if seat.is_own {
                seat.link.taken();
            } else if seat.shown.is_paused.load(Ordering::Acquire) {
                seat.link.work().resume(seat.member);
            }
        }
    }

    /// Takes a frame. `is_text`: it came as a text message.
    pub(crate) fn request(&mut self, event: &Event<'_>, is_text: bool) -> Done {
        match event {
            Event::Send {
                destination,
                transaction,
                receipt,
                frame,
            } => self.send(
                destination,
                transaction.as_deref(),
                receipt.as_deref(),
                frame,
                is_text,
            ),
            Event::Subscribe {
                id,
                implicit_id,
                destination,
                ack,
                receipt,
                frame,
            } => {
                let given = (!implicit_id).then_some(&**id);
                self.subscribe(id, given, destination, *ack, receipt.as_deref(), frame)
            }
            Event::Unsubscribe { id, receipt, frame } => {
                self.unsubscribe(id, receipt.as_deref(), frame)
            }
            Event::Ack {
                target,
                transaction,
                receipt,
                frame,
            } => self.acknowledge(
                Verb::Ack,
                target,
                transaction.as_deref(),
                receipt.as_deref(),
                frame,
            ),
            Event::Nack {
                target,
                transaction,
                receipt,
                frame,
            } => self.acknowledge(
                Verb::Nack,
                target,
                transaction.as_deref(),
                receipt.as_deref(),
                frame,
            ),
            Event::Begin {
                transaction,
                receipt,
            } => {
                self.main.is_used = true;
                let member = self.main.member;
                let begun = self
                    .main
                    .link
                    .work()
                    .begin(member, transaction, receipt.as_deref());
                begun.map_err(|error| refused(&error.to_string(), receipt.as_deref()))?;
                Ok(Act::Done)
            }
            Event::Commit {
                transaction,
                receipt,
            } => self.end_transaction(transaction, true, receipt.as_deref()),
            Event::Abort {
                transaction,
                receipt,
            } => self.end_transaction(transaction, false, receipt.as_deref()),
            Event::Disconnect { .. } | Event::Connect { .. } | Event::Ignored => Ok(Act::Engine),
        }
    }

    fn end_transaction(&mut self, id: &str, commits: bool, receipt: Option<&str>) -> Done {
        let member = self.main.member;
        let mut work = self.main.link.work();
        work.end_transaction(member, id, commits, receipt)?;
        Ok(Act::Done)
    }

    fn route<'a>(
        &self,
        purpose: Purpose,
        destination: &'a str,
        receipt: Option<&str>,
    ) -> Result<Route<'a>, Box<Failure>> {
        kind::route(self.gateway.config.kind, purpose, destination, &self.user).map_err(|why| {
            let name: String = destination.chars().take(80).collect();
            refused(&format!("destination {name:?} {why}"), receipt)
        })
    }

    fn send(
        &mut self,
        destination: &str,
        transaction: Option<&str>,
        receipt: Option<&str>,
        frame: &FrameRef<'_>,
        is_text: bool,
    ) -> Done {
        let route = self.route(Purpose::Send, destination, receipt)?;
        let kind = self.gateway.config.kind;
        let reply = frame
            .header("reply-to")
            .filter(|it| it.starts_with("/temp-"));
        let is_own = |name: &str, value: &str| shared::is_own_message(kind, name, value);
        let on_own = !self.main.is_own
            && (route.is_own
                || reply.is_some()
                || self.gateway.is_quarantined(&route.destination)
                || frame.headers().any(|(name, value)| is_own(&name, &value)));
        if on_own && transaction.is_some() {
            let why = "a message to what needs a connection of its own can't be in a transaction of a pooled \
                 connection: connect with a login of the broker's own";
            return Err(refused(why, receipt));
        }
        let length = self.length(frame, is_text);
        let queue = match on_own || self.main.is_own {
            true => self.odd_queue(&route, frame),
            false => None,
        };
        let seat = match on_own {
            true => self.own_seat(receipt)?,
            false => &mut self.main,
        };
        seat.is_used = true;
        let member = seat.member;
        let mut work = seat.link.work();
        if let Some(reply) = &reply
            && kind == UpstreamKind::Rabbitmq
        {
            work.imply(member, reply, reply, false)
                .ok_or_else(|| too_many_replies(receipt))?;
        }
        let open = transaction;
        let transaction = open
            .map(|id| work.open_transaction(member, id, receipt))
            .transpose()?;
        let own = [
            Some(("destination", &*route.destination)),
            route.extra,
            transaction.as_deref().map(|id| ("transaction", id)),
        ];
        let own = own.iter().flatten().copied();
        let body = frame.body();
        let sent = if frame.is_plain() {
            let others = frame
                .plain_headers()
                .filter(|(name, _)| !is_send_own(kind, name));
            work.request(member, Verb::Send, own.chain(others), body, length, receipt)
        } else {
            let others: Vec<_> = frame
                .headers()
                .filter(|(name, _)| !is_send_own(kind, name))
                .collect();
            let others = others.iter().map(|(name, value)| (&**name, &**value));
            work.request(member, Verb::Send, own.chain(others), body, length, receipt)
        };
        sent.map_err(|error| refused(&error.to_string(), receipt))?;
        if let (Some(id), Some(_)) = (open, receipt) {
            work.keep_receipt(member, id);
        }
        if let Some(queue) = queue {
            work.expect_queue(&queue);
        }
        Ok(Act::Done)
    }

    /// Whether a message has a `content-length`: to ActiveMQ and Artemis that says that it is no text.
    fn length(&self, frame: &FrameRef<'_>, is_text_message: bool) -> ContentLength {
        let config = &self.gateway.config;
        if !matches!(config.kind, UpstreamKind::Activemq | UpstreamKind::Artemis) {
            return ContentLength::Auto;
        }
        let is_text = match frame.header("content-type") {
            Some(content_type) => config.is_text(&content_type),
            None => is_text_message || frame.header("content-length").is_none(),
        };
        match is_text && memchr::memchr(0, frame.body()).is_none() {
            true => ContentLength::Never,
            false => ContentLength::Always,
        }
    }

    /// The queue that a frame makes otherwise than others would: RabbitMQ closes the connection of who
    /// then comes for it without those headers.
    fn odd_queue(&self, route: &Route<'_>, frame: &FrameRef<'_>) -> Option<String> {
        if self.gateway.config.kind != UpstreamKind::Rabbitmq
            || self.gateway.pool.is_empty()
            || !frame.headers().any(|(name, _)| shared::is_of_queue(&name))
        {
            return None;
        }
        let queue = match frame.header("x-queue-name") {
            Some(name) => kind::queue_named(&name),
            None if route.is_topic => return None,
            None => route.destination.as_ref().to_owned(),
        };
        (!self.gateway.is_quarantined(&queue)).then_some(queue)
    }

    /// The client's own connection, which is made when it is first needed.
    fn own_seat(&mut self, receipt: Option<&str>) -> Result<&mut Seat, Box<Failure>> {
        if self.main.is_own {
            return Ok(&mut self.main);
        }
        if self.own.is_none() {
            let opened = Gateway::open_own(
                &self.gateway,
                self.identity.clone(),
                None,
                &self.outbox,
                self.dialect,
            );
            let seat = opened.map_err(|failure| {
                Box::new(Failure {
                    receipt: receipt.map(Into::into),
                    ..failure
                })
            })?;
            self.own = Some(seat);
        }
        Ok(self.own.as_mut().unwrap_or(&mut self.main))
    }

    fn subscribe(
        &mut self,
        id: &str,
        given: Option<&str>,
        destination: &str,
        ack: AckMode,
        receipt: Option<&str>,
        frame: &FrameRef<'_>,
    ) -> Done {
        let route = self.route(Purpose::Subscribe, destination, receipt)?;
        let config = &self.gateway.config;
        let kind = config.kind;
        // RabbitMQ makes them by itself, when a message has such a `reply-to`.
        if kind == UpstreamKind::Rabbitmq && destination.starts_with("/temp-queue/") {
            let seat = self.own_seat(receipt)?;
            let (member, on_own) = (seat.member, seat.is_own);
            let implied = seat.link.work().imply(member, destination, id, true);
            let number = implied.ok_or_else(|| too_many_replies(receipt))?;
            self.subscriptions
                .insert(id.into(), Place::Seat { on_own, number });
            return Ok(Act::Receipt(receipt.map(Into::into)));
        }
        let headers: Vec<_> = frame.headers().collect();
        let is_own = route.is_own
            || headers.iter().any(|(name, value)| {
                shared::is_own_subscription(kind, route.is_topic, name, value)
            })
            || self.gateway.is_quarantined(&route.destination);
        if route.is_topic && !is_own && !self.main.is_own {
            let (used, receipt) = self
                .gateway
                .topics
                .join(
                    &route.destination,
                    route.extra,
                    &self.gateway.pool,
                    &self.outbox,
                    receipt.map(Into::into),
                )
                .ok_or_else(|| Box::new(Failure::unavailable("there is no connection", None)))?;
            let topic = Arc::clone(&used.topic.key);
            self.subscriptions.insert(id.into(), Place::Topic(used));
            return Ok(Act::Subscribe { topic, receipt });
        }
        let on_own = is_own || self.main.is_own;
        let selector = headers.iter().find(|(name, _)| name == "selector");
        let mut chosen_here = None;
        if let Some((_, text)) = selector
            && kind == UpstreamKind::Rabbitmq
        {
            if !route.is_topic {
                let why = "RabbitMQ has no selectors, and a queue's messages can't be chosen from behind it";
                return Err(refused(why, receipt));
            }
            chosen_here = Selector::compile(text)
                .map_err(|error| refused(&format!("selector: {error}"), receipt))?;
        } else if let Some((_, text)) = selector
            && kind == UpstreamKind::Generic
            && route.is_topic
        {
            // Nobody knows whether the broker has any: what it has chosen is chosen here too. One that is
            // none here it may understand.
            chosen_here = Selector::compile(text).ok().flatten();
        }
        let shared_ack = match (on_own, ack) {
            (true, AckMode::Auto) => Ack::None,
            (false, AckMode::Auto) => Ack::WhenWritten,
            (_, AckMode::Client) => Ack::Client { cumulative: true },
            (_, AckMode::ClientIndividual) => Ack::Client { cumulative: false },
        };
        let asked = headers
            .iter()
            .filter_map(|(name, value)| kind::asked_prefetch(name, value))
            .min();
        let messages = match on_own {
            // RabbitMQ knows no end otherwise, and all that is not acknowledged is kept in mind here.
            true if kind == UpstreamKind::Rabbitmq && shared_ack != Ack::None => {
                asked.or(Some(65_535))
            }
            true => asked,
            false => Some(asked.unwrap_or(config.prefetch).min(config.prefetch)),
        };
        let prefetch = messages.and_then(|messages| kind::prefetch(kind, messages));
        let mut all: Vec<(Box<str>, Box<str>)> =
            vec![("destination".into(), route.destination.as_ref().into())];
        if let Some(given) = given {
            let id = match on_own {
                true => self.durable_id(given, frame),
                false => given.into(),
            };
            all.push(("id".into(), id.into()));
        }
        let mode = match (on_own, ack) {
            // What a selector leaves out is acknowledged between what the client acknowledges; what is
            // kept for the end of a transaction, after it.
            (true, AckMode::Client) if chosen_here.is_some() || kind::keeps_acks(kind) => {
                AckMode::ClientIndividual
            }
            (true, mode) => mode,
            // Whatever the client's mode is, here each message is acknowledged by itself.
            (false, _) => AckMode::ClientIndividual,
        };
        all.push(("ack".into(), mode.as_str().into()));
        if let Some((name, value)) = route.extra {
            all.push((name.into(), value.into()));
        }
        if let Some((name, value)) = &prefetch {
            all.push(((*name).into(), value.as_str().into()));
        }
        for (name, value) in &headers {
            let said = all.iter().any(|(own, _)| **own == **name)
                || matches!(&**name, "id" | "receipt" | "content-length")
                || (kind == UpstreamKind::Rabbitmq && name == "selector");
            if said || !(on_own || shared::is_shared_subscription(kind, name)) {
                continue;
            }
            let value = match kind {
                // Headers are text there, and a number would never be equal to one.
                UpstreamKind::Artemis if name == "selector" => {
                    format!("convert_string_expressions:{value}").into()
                }
                _ => value.as_ref().into(),
            };
            all.push((name.as_ref().into(), value));
        }
        let queue = match on_own {
            true => self.odd_queue(&route, frame),
            false => None,
        };
        let seat = match on_own {
            true => self.own_seat(receipt)?,
            false => &mut self.main,
        };
        seat.is_used = true;
        let mut work = seat.link.work();
        let number = work
            .subscribe(Subscribe {
                member: seat.member,
                id: given.map(Into::into),
                headers: all,
                ack: shared_ack,
                prefix: route.prefix,
                selector: chosen_here,
                receipt: receipt.map(Into::into),
            })
            .map_err(|error| refused(&error.to_string(), receipt))?;
        if let Some(queue) = queue {
            work.expect_queue(&queue);
        }
        drop(work);
        self.subscriptions
            .insert(id.into(), Place::Seat { on_own, number });
        Ok(Act::Done)
    }

    fn unsubscribe(&mut self, id: &str, receipt: Option<&str>, frame: &FrameRef<'_>) -> Done {
        match self.subscriptions.remove(id) {
            Some(Place::Topic(used)) => {
                self.gateway.topics.leave(&used, &self.outbox);
                Ok(Act::Engine)
            }
            Some(Place::Seat { on_own, number }) => {
                let headers: Vec<(Box<str>, Box<str>)> = frame
                    .headers()
                    .filter(|(name, _)| !matches!(&**name, "id" | "receipt" | "destination"))
                    .map(|(name, value)| (name.as_ref().into(), value.as_ref().into()))
                    .collect();
                let seat = self.seat(on_own);
                let mut work = seat.link.work();
                work.unsubscribe(seat.member, number, &headers, receipt.map(Into::into))
                    .map_err(|error| refused(&error.to_string(), receipt))?;
                Ok(Act::Done)
            }
            // A durable subscription of an earlier connection, by its headers: the broker knows it.
            None => self.unsubscribe_unknown(id, receipt, frame),
        }
    }

    fn unsubscribe_unknown(
        &mut self,
        id: &str,
        receipt: Option<&str>,
        frame: &FrameRef<'_>,
    ) -> Done {
        let headers: Vec<_> = frame
            .headers()
            .filter(|(name, _)| name != "id" && name != "receipt")
            .collect();
        let id = self.durable_id(id, frame);
        let seat = self.own_seat(receipt)?;
        seat.is_used = true;
        let all = headers
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .chain([("id", &*id)]);
        let length = ContentLength::Auto;
        let mut work = seat.link.work();
        work.request(seat.member, Verb::Unsubscribe, all, b"", length, receipt)
            .map_err(|error| refused(&error.to_string(), receipt))?;
        Ok(Act::Done)
    }

    /// The id of a durable subscription at RabbitMQ, which calls its queue by that, whoever's it is: two
    /// users with the same would share the messages.
    fn durable_id<'a>(&self, id: &'a str, frame: &FrameRef<'_>) -> Cow<'a, str> {
        let is_durable = |name| frame.header(name).is_some_and(|it| it == "true");
        match &self.identity.owner {
            Some(owner)
                if self.gateway.config.kind == UpstreamKind::Rabbitmq
                    && (is_durable("durable") || is_durable("persistent")) =>
            {
                Cow::Owned(format!("{owner}.{id}"))
            }
            _ => Cow::Borrowed(id),
        }
    }

    fn seat(&self, on_own: bool) -> &Seat {
        match &self.own {
            Some(own) if on_own => own,
            _ => &self.main,
        }
    }

    fn acknowledge(
        &mut self,
        verb: Verb,
        target: &AckTarget<'_>,
        transaction: Option<&str>,
        receipt: Option<&str>,
        frame: &FrameRef<'_>,
    ) -> Done {
        let (on_own, name) = match target {
            AckTarget::Id(id) => {
                let number = |prefix| id.strip_prefix(prefix)?.parse::<u64>().ok();
                match (number(state::ACK_SHARED), number(state::ACK_OWN)) {
                    (Some(number), _) => (false, Name::Number(number)),
                    (None, Some(number)) => (true, Name::Number(number)),
                    (None, None) => return Ok(Act::Engine),
                }
            }
            AckTarget::Message {
                message_id,
                subscription,
            } => {
                let on_own = match subscription
                    .as_deref()
                    .and_then(|id| self.subscriptions.get(id))
                {
                    Some(Place::Topic(_)) => return Ok(Act::Engine),
                    Some(Place::Seat { on_own, .. }) => *on_own,
                    None => {
                        let only_topics = self
                            .subscriptions
                            .values()
                            .all(|place| matches!(place, Place::Topic(_)));
                        let holds = |seat: &Seat| seat.link.work().holds(seat.member, message_id);
                        let own = self.own.as_ref().filter(|own| holds(own));
                        if only_topics
                            || (own.is_none()
                                && !holds(&self.main)
                                && self.gateway.names(message_id))
                        {
                            return Ok(Act::Engine);
                        }
                        own.is_some() || self.main.is_own
                    }
                };
                let name = Name::Message {
                    id: message_id,
                    subscription: subscription.as_deref(),
                };
                (on_own, name)
            }
        };
        let headers: Vec<(Box<str>, Box<str>)> = frame
            .headers()
            .filter(|(name, _)| {
                !matches!(
                    &**name,
                    "id" | "message-id" | "subscription" | "ack" | "receipt" | "transaction"
                )
            })
            .map(|(name, value)| (name.as_ref().into(), value.as_ref().into()))
            .collect();
        let seat = self.seat(on_own);
        if transaction.is_some() && on_own && !self.main.is_own {
            let why = "this delivery came by a connection of the client's own: it can't be acknowledged in a \
                 transaction of a pooled one";
            return Err(refused(why, receipt));
        }
        seat.link.work().acknowledge(&Acknowledge {
            member: seat.member,
            name,
            verb,
            headers: &headers,
            transaction,
            receipt,
        })?;
        Ok(Act::Done)
    }

    /// Messages were written up to there.
    pub(crate) fn written(&mut self, bytes: u64) {
        while let Some((end, _)) = self.marks.front()
            && *end <= bytes
            && let Some((_, written)) = self.marks.pop_front()
        {
            for written in &written {
                let seat = self.seat(written.on_own);
                seat.link.work().written(seat.member, written);
            }
        }
    }

    /// The client wants to go. True: it may, at once.
    pub(crate) fn quit(&mut self) -> bool {
        for seat in self.own.iter().chain([&self.main]) {
            if seat.is_used {
                self.byes += 1;
                seat.link.work().barrier(seat.member);
            }
        }
        self.byes == 0
    }

    /// All has arrived by one of its connections. True: by all.
    pub(crate) fn bye(&mut self) -> bool {
        self.byes = self.byes.saturating_sub(1);
        self.byes == 0
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        for (_, place) in self.subscriptions.drain() {
            if let Place::Topic(used) = place {
                self.gateway.topics.leave(&used, &self.outbox);
            }
        }
    }
}

fn too_many_replies(receipt: Option<&str>) -> Box<Failure> {
    let most = state::MOST_NAMES;
    let why = format!("a connection can't have more than {most} destinations for replies");
    refused(&why, receipt)
}

fn refused(why: &str, receipt: Option<&str>) -> Box<Failure> {
    Box::new(Failure::refused(why, receipt.map(Into::into)))
}

/// Headers of a `SEND` that are written anew, or that are a broker's alone to write.
fn is_send_own(kind: UpstreamKind, name: &str) -> bool {
    matches!(
        name,
        "destination" | "receipt" | "transaction" | "content-length" | "destination-type"
    ) || shared::is_brokers(kind, name)
}
