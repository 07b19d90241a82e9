//! A client's frames as commands to the broker, if its rules allow them.

use std::sync::Arc;

use stompbox_broker::{
    BrokerDialect, BrokerError, Command, Config, Identity, Message, Subscribe, Subscriber, Target,
    Time, canonical_names,
};
use stompbox_proto::{
    FrameRef, Version,
    server::{AckTarget, Event},
};

use crate::{
    acl::{Access, Denied, Guard},
    deliver::subscription_line,
};

/// What a frame that can't become a command is.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The rules say no.
    Denied(Denied),
    /// A header makes no sense.
    Invalid(BrokerError),
}

/// What is known of the client.
pub(crate) struct Client<'a> {
    pub(crate) guard: &'a mut Guard,
    pub(crate) identity: &'a Identity,
    pub(crate) broker: &'a Config,
    pub(crate) version: Option<Version>,
    pub(crate) run: &'a str,
    pub(crate) now: Time,
}

/// What a frame's headers name beside its destination, and what a client does there.
pub(crate) fn named_by_headers(frame: &FrameRef<'_>, destination: &str) -> Vec<(Access, String)> {
    let mut names = Vec::new();
    // The queue of a durable subscription, which others may use too.
    if let Some(queue) = frame.header("x-queue-name") {
        let queue = format!("/queue/{queue}");
        names.extend([(Access::Read, queue.clone()), (Access::Write, queue)]);
    }
    // Dead letters must not be a way to where the client may not send.
    let key = frame.header("x-dead-letter-routing-key");
    let exchange = frame.header("x-dead-letter-exchange");
    let to = match (exchange.as_deref(), key.as_deref()) {
        (None | Some(""), None) => Vec::new(),
        (_, Some(key)) if key.starts_with('/') => vec![key.to_owned()],
        (None | Some("" | "amq.topic"), Some(key)) => {
            vec![format!("/queue/{key}"), format!("/topic/{key}")]
        }
        // They keep the key that they came with.
        (Some("amq.topic"), None) => match destination.strip_prefix("/queue/") {
            Some(name) => vec![format!("/topic/{name}")],
            None => vec![destination.to_owned()],
        },
        (Some(exchange), Some(key)) => vec![
            format!("/queue/{key}"),
            format!("/topic/{key}"),
            format!("/exchange/{exchange}/{key}"),
        ],
        (Some(exchange), None) => vec![format!("/exchange/{exchange}")],
    };
    let to = to.into_iter().filter(|name| !name.is_empty());
    names.extend(to.map(|name| (Access::Write, name)));
    names
}

impl Client<'_> {
    /// The command that an event means. `None`: there is nothing for the broker to do.
    pub(crate) fn command(&mut self, event: Event<'_>) -> Result<Option<Command>, Refusal> {
        Ok(Some(match event {
            Event::Send {
                destination,
                transaction,
                receipt,
                frame,
            } => {
                self.may_send(&frame, &destination)?;
                self.refuse_message_id(&frame)?;
                let message =
                    Message::of(&frame, &destination, &self.identity.reply_token, self.now);
                Command::Send {
                    transaction: transaction.map(|it| it.as_ref().into()),
                    receipt: receipt.map(|it| it.as_ref().into()),
                    message: Arc::new(message.map_err(Refusal::Invalid)?),
                }
            }
            Event::Subscribe {
                id,
                implicit_id,
                destination,
                ack,
                receipt,
                frame,
            } => {
                self.may_subscribe(&frame, &destination)?;
                let given = (!implicit_id).then_some(&*id);
                let include_sequence = frame.header("include-seq");
                let plain = |name: &str| !name.contains([':', '\\', '\n', '\r']);
                let subscriber = Subscriber::new(
                    given.map(Into::into),
                    include_sequence
                        .filter(|it| plain(it))
                        .map(|it| it.as_ref().into()),
                    subscription_line(given, self.version),
                );
                Command::Subscribe(Box::new(Subscribe {
                    subscriber: Arc::new(subscriber),
                    id: id.as_ref().into(),
                    destination: destination.as_ref().into(),
                    ack,
                    headers: headers(&frame),
                    receipt: receipt.map(|it| it.as_ref().into()),
                }))
            }
            Event::Unsubscribe { id, receipt, frame } => {
                self.may_name(&frame, "")?;
                Command::Unsubscribe {
                    id: id.as_ref().into(),
                    headers: headers(&frame),
                    receipt: receipt.map(|it| it.as_ref().into()),
                }
            }
            Event::Ack {
                target,
                transaction,
                receipt,
                ..
            } => Command::Acknowledge {
                target: self.target(&target)?,
                consumed: true,
                requeue: false,
                transaction: transaction.map(|it| it.as_ref().into()),
                receipt: receipt.map(|it| it.as_ref().into()),
            },
            Event::Nack {
                target,
                transaction,
                receipt,
                frame,
            } => Command::Acknowledge {
                target: self.target(&target)?,
                consumed: false,
                requeue: frame.header("requeue").is_none_or(|it| it != "false"),
                transaction: transaction.map(|it| it.as_ref().into()),
                receipt: receipt.map(|it| it.as_ref().into()),
            },
            Event::Begin {
                transaction,
                receipt,
            } => Command::Begin {
                transaction: transaction.as_ref().into(),
                receipt: receipt.map(|it| it.as_ref().into()),
            },
            Event::Commit {
                transaction,
                receipt,
            } => Command::Commit {
                transaction: transaction.as_ref().into(),
                receipt: receipt.map(|it| it.as_ref().into()),
            },
            Event::Abort {
                transaction,
                receipt,
            } => Command::Abort {
                transaction: transaction.as_ref().into(),
                receipt: receipt.map(|it| it.as_ref().into()),
            },
            Event::Disconnect { receipt } => Command::Quit {
                receipt: receipt.map(|it| it.as_ref().into()),
            },
            Event::Connect { .. } | Event::Ignored => return Ok(None),
        }))
    }

    /// RabbitMQ takes no `message-id` of a producer's; to others it is one of many headers that
    /// the server writes itself.
    fn refuse_message_id(&self, frame: &FrameRef<'_>) -> Result<(), Refusal> {
        if self.identity.reads_as(self.broker) != BrokerDialect::Rabbitmq {
            return Ok(());
        }
        match frame.header("message-id") {
            None => Ok(()),
            Some(value) => Err(Refusal::Invalid(BrokerError::InvalidHeader {
                header: "message-id".into(),
                value: value.chars().take(80).collect(),
                expected: "none: the server gives it",
            })),
        }
    }

    fn may_send(&mut self, frame: &FrameRef<'_>, destination: &str) -> Result<(), Refusal> {
        if self.guard.is_open() {
            return Ok(());
        }
        let multicast = frame.header("destination-type").map(|it| it == "MULTICAST");
        self.may(Access::Write, destination, multicast)?;
        self.may_name(frame, destination)
    }

    fn may_subscribe(&mut self, frame: &FrameRef<'_>, destination: &str) -> Result<(), Refusal> {
        // Some clients' names are decoded: `%24SYS` is another spelling.
        let system = destination.contains("$SYS/") || destination.contains('%');
        if self.guard.is_open() && !system {
            return Ok(());
        }
        let multicast = frame
            .header("subscription-type")
            .map(|it| it == "MULTICAST");
        self.may(Access::Read, destination, multicast)?;
        self.may_name(frame, destination)
    }

    /// What a frame names otherwise than by its destination.
    fn may_name(&mut self, frame: &FrameRef<'_>, destination: &str) -> Result<(), Refusal> {
        if self.guard.is_open() {
            return Ok(());
        }
        for (access, name) in named_by_headers(frame, destination) {
            self.may(access, &name, None)?;
        }
        Ok(())
    }

    fn may(
        &mut self,
        access: Access,
        destination: &str,
        multicast: Option<bool>,
    ) -> Result<(), Refusal> {
        for name in canonical_names(self.identity, self.broker, destination, multicast) {
            self.guard.may(access, &name).map_err(Refusal::Denied)?;
        }
        Ok(())
    }

    fn target(&self, target: &AckTarget<'_>) -> Result<Target, Refusal> {
        let unknown = |id: &str| {
            Refusal::Invalid(BrokerError::UnknownMessage {
                id: id.chars().take(80).collect(),
            })
        };
        Ok(match target {
            AckTarget::Id(id) => Target::Tag(id.parse().map_err(|_| unknown(id))?),
            AckTarget::Message {
                message_id,
                subscription,
            } => {
                let number = message_id
                    .strip_prefix(self.run)
                    .and_then(|it| it.strip_prefix('-')?.parse().ok());
                Target::Message {
                    sequence: number.ok_or_else(|| unknown(message_id))?,
                    subscription: subscription.as_deref().map(Into::into),
                }
            }
        })
    }
}

fn headers(frame: &FrameRef<'_>) -> Vec<(Box<str>, Box<str>)> {
    frame
        .headers()
        .map(|(name, value)| (name.as_ref().into(), value.as_ref().into()))
        .collect()
}
