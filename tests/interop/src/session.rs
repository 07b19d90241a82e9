//! Clients of the broker that is looked at, and what checks do with them.

use std::time::Duration;

use futures_util::StreamExt as _;
use stompbox::{Client, ConnectOptions, ContentLength, HeartBeat, Message, Subscription, Versions};

use crate::{
    broker::{Broker, named},
    seen::{Outcome, Seen},
};

/// How long a message may take that is to come.
const WAIT: Duration = Duration::from_secs(10);

/// The broker that is looked at.
pub(crate) struct Target {
    pub(crate) url: String,
    /// The broker itself, also if the URL is a gateway's.
    pub(crate) direct: String,
    pub(crate) login: Option<String>,
    pub(crate) passcode: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) broker: Broker,
    /// Part of all names, so that no run meets what another left behind.
    pub(crate) run: String,
}

impl Target {
    /// What the broker calls itself; empty if it doesn't.
    pub(crate) async fn server(&self) -> Outcome<String> {
        let client = self.connect().await?;
        let server = client.connected_header("server").unwrap_or_default();
        Ok(server)
    }

    /// Options for a connection without heart-beats.
    pub(crate) fn options(&self) -> ConnectOptions {
        self.options_for(&self.url)
    }

    fn options_for(&self, url: &str) -> ConnectOptions {
        let mut options = ConnectOptions::new(url).heart_beat(HeartBeat::NONE);
        if let Some(login) = &self.login {
            options = options.login(login);
        }
        if let Some(passcode) = &self.passcode {
            options = options.passcode(passcode);
        }
        if let Some(host) = &self.host {
            options = options.host(host);
        }
        if let Some(bytes) = self.broker.split.rust {
            options = options.websocket_split(bytes);
        }
        match &self.broker.versions {
            Some(versions) => options.versions(Versions::parse_accept(versions)),
            None => options,
        }
    }

    pub(crate) async fn connect(&self) -> Outcome<Client> {
        Ok(self.options().connect().await?)
    }

    /// A queue of a check's own.
    pub(crate) async fn queue(&self, check: &str) -> Outcome<String> {
        let name = self.name(check);
        if let Some(declare) = &self.broker.declare {
            self.declare(&declare.queue.replace("{}", &name)).await?;
        }
        Ok(self.broker.queue.replace("{}", &name))
    }

    /// A topic of a check's own.
    pub(crate) async fn topic(&self, check: &str) -> Outcome<String> {
        let name = self.name(check);
        if let Some(declare) = &self.broker.declare {
            self.declare(&declare.topic.replace("{}", &name)).await?;
        }
        Ok(self.broker.topic.replace("{}", &name))
    }

    pub(crate) fn name(&self, check: &str) -> String {
        format!("interop-{}-{check}", self.run)
    }

    async fn declare(&self, body: &str) -> Outcome {
        let Some(declare) = &self.broker.declare else {
            return Ok(());
        };
        // Behind a gateway too it is the broker's own business.
        let client = self.options_for(&self.direct).connect().await?;
        // With a length it would be bytes, and no text that a manager reads.
        let send = client.send(&declare.to).body(body.to_owned());
        let mut send = send.content_length(ContentLength::Never);
        for (name, value) in named(&declare.headers, "") {
            send = send.header(&name, &value);
        }
        // What a manager is told is done when it has been taken, not when it was sent.
        Ok(send.receipt().await?)
    }
}

/// The next message.
pub(crate) async fn next(messages: &mut Subscription) -> Outcome<Message> {
    next_within(messages, WAIT)
        .await?
        .ok_or_else(|| Seen(format!("no message came within {} s", WAIT.as_secs())))
}

/// The next message, if one comes in time.
pub(crate) async fn next_within(
    messages: &mut Subscription,
    wait: Duration,
) -> Outcome<Option<Message>> {
    match tokio::time::timeout(wait, messages.next()).await {
        Ok(Some(message)) => Ok(Some(message?)),
        Ok(None) => Err(Seen("the subscription has ended".into())),
        Err(_) => Ok(None),
    }
}

/// The text of the next message.
pub(crate) async fn next_text(messages: &mut Subscription) -> Outcome<String> {
    Ok(text(&next(messages).await?))
}

pub(crate) fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

/// Ends a connection in order, so that the broker has all that was sent; that it closes without
/// a receipt is looked at by a check of its own.
pub(crate) async fn leave(client: Client) {
    let _ = client.disconnect().await;
}
