//! What each client does, the fastest way that its interface offers.

use std::{error::Error, time::Duration};

use async_stomp::{FromServer, Message, ToServer, client::Connector};
use futures_util::{SinkExt as _, StreamExt as _, stream};

pub(crate) type Outcome = Result<(), Box<dyn Error>>;

const TOPIC: &str = "/topic/bench";
const QUEUE: &str = "/queue/bench";
pub(crate) const BODY: &str = "0123456789012345678901234567890123456789012345678901234567890123";
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
pub(crate) enum Contender {
    Stompbox,
    AsyncStomp,
    /// With its Sink's `feed`: a message goes out when 8 KiB are full, or at a flush of one's own.
    AsyncStompFed,
    Iridium,
    StompRs,
}

impl Contender {
    /// Ours first.
    pub(crate) const ALL: [Self; 5] = [
        Self::Stompbox,
        Self::AsyncStomp,
        Self::Iridium,
        Self::StompRs,
        Self::AsyncStompFed,
    ];

    /// Whether the goal is measured against it: not if a message that is sent stays in a buffer
    /// until the program flushes it.
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Self::Stompbox | Self::AsyncStompFed)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stompbox => "stompbox",
            Self::AsyncStomp => "async-stomp",
            Self::AsyncStompFed => "async-stomp, flushed by hand",
            Self::Iridium => "iridium-stomp",
            Self::StompRs => "stomp-rs",
        }
    }

    /// Sends, and has the broker say of the last that it came.
    pub(crate) async fn plain(self, addr: &str, count: usize) -> Outcome {
        match self {
            Self::Stompbox => {
                let client = ours(addr).await?;
                for _ in 1..count {
                    client.send(TOPIC).body(BODY).await?;
                }
                client.send(TOPIC).body(BODY).receipt().await?;
            }
            Self::AsyncStomp | Self::AsyncStompFed => {
                let mut client = async_stomp(addr).await?;
                for _ in 1..count {
                    if matches!(self, Self::AsyncStomp) {
                        client.send(send(None)).await?;
                    } else {
                        client.feed(send(None)).await?;
                    }
                }
                client.send(send(Some(0))).await?;
                until(&mut client, 1, is_receipt).await?;
            }
            Self::Iridium => {
                let client = iridium(addr).await?;
                for _ in 1..count {
                    client.send(TOPIC, BODY).await?;
                }
                let last = client.send_frame_with_receipt(frame()).await?;
                last.wait(LIMIT).await?;
                client.close().await?;
            }
            Self::StompRs => {
                let client = stomp_rs(addr).await?;
                for _ in 1..count {
                    client
                        .send(stomp_rs::protocol::frame::Send::new(TOPIC).body(BODY))
                        .await?;
                }
                let last = stomp_rs::protocol::frame::Send::new(TOPIC).body(BODY);
                client.send(last.receipt("last")).await?;
            }
        }
        Ok(())
    }

    /// Sends each with a receipt, and waits for all.
    pub(crate) async fn receipted(self, addr: &str, count: usize) -> Outcome {
        match self {
            Self::Stompbox => {
                let client = ours(addr).await?;
                let mut receipts = Vec::with_capacity(count);
                for _ in 0..count {
                    receipts.push(client.send(TOPIC).body(BODY).pending_receipt().await?);
                }
                for receipt in receipts {
                    receipt.wait().await?;
                }
            }
            Self::AsyncStomp | Self::AsyncStompFed => {
                let (mut sink, mut stream) = async_stomp(addr).await?.split();
                let sending = async {
                    for number in 0..count {
                        if matches!(self, Self::AsyncStomp) {
                            sink.send(send(Some(number))).await?;
                        } else {
                            sink.feed(send(Some(number))).await?;
                        }
                    }
                    sink.flush().await.map_err(Into::into)
                };
                let receiving = until(&mut stream, count, is_receipt);
                let outcomes: (Outcome, Outcome) = tokio::join!(sending, receiving);
                outcomes.0?;
                outcomes.1?;
            }
            Self::Iridium => {
                let client = iridium(addr).await?;
                let mut receipts = Vec::with_capacity(count);
                for _ in 0..count {
                    receipts.push(client.send_frame_with_receipt(frame()).await?);
                }
                for receipt in receipts {
                    receipt.wait(LIMIT).await?;
                }
                client.close().await?;
            }
            Self::StompRs => {
                // Its send waits for the receipt by itself: a thousand at a time.
                let client = stomp_rs(addr).await?;
                let all = stream::iter(0..count).map(|number| {
                    let send = stomp_rs::protocol::frame::Send::new(TOPIC).body(BODY);
                    client.send(send.receipt(number.to_string()))
                });
                let mut all = all.buffer_unordered(1000);
                while let Some(outcome) = all.next().await {
                    outcome?;
                }
            }
        }
        Ok(())
    }

    /// Subscribes, and takes all messages of the queue.
    pub(crate) async fn deliveries(self, addr: &str, count: usize) -> Outcome {
        match self {
            Self::Stompbox => {
                let client = ours(addr).await?;
                let mut messages = client.subscribe(QUEUE).buffer(1024).await?;
                for _ in 0..count {
                    messages.next().await.ok_or("an end")??;
                }
            }
            Self::AsyncStomp | Self::AsyncStompFed => {
                let mut client = async_stomp(addr).await?;
                let subscribe = ToServer::Subscribe {
                    destination: QUEUE.into(),
                    id: "1".into(),
                    ack: None,
                };
                client.send(subscribe.into()).await?;
                let is_message =
                    |message: &FromServer| matches!(message, FromServer::Message { .. });
                until(&mut client, count, is_message).await?;
            }
            Self::Iridium => {
                let client = iridium(addr).await?;
                // By default it fails a subscription that is 1,024 messages behind.
                let mut options = iridium_stomp::SubscriptionOptions::default();
                options.channel_capacity = Some(1024);
                options.overflow_limit = Some(usize::MAX);
                let ack = iridium_stomp::AckMode::Auto;
                let mut messages = client.subscribe_with_options(QUEUE, ack, options).await?;
                for _ in 0..count {
                    messages.next().await.ok_or("an end")?;
                }
                client.close().await?;
            }
            Self::StompRs => {
                let client = stomp_rs(addr).await?;
                let (sender, mut messages) = tokio::sync::mpsc::channel(1024);
                let subscribe = stomp_rs::protocol::frame::Subscribe::new("1", QUEUE);
                client.subscribe(subscribe, sender).await?;
                for _ in 0..count {
                    messages.recv().await.ok_or("an end")?;
                }
            }
        }
        Ok(())
    }
}

/// Puts messages into the queue.
pub(crate) async fn fill(addr: &str, count: usize) -> Outcome {
    let client = ours(addr).await?;
    for _ in 0..count {
        client.send(QUEUE).body(BODY).await?;
    }
    client.disconnect().await?;
    Ok(())
}

/// Takes what is left in the queue.
pub(crate) async fn drain(addr: &str) -> Outcome {
    let client = ours(addr).await?;
    let mut messages = client.subscribe(QUEUE).buffer(1024).await?;
    while let Ok(Some(message)) =
        tokio::time::timeout(Duration::from_secs(1), messages.next()).await
    {
        message?;
    }
    Ok(())
}

async fn ours(addr: &str) -> Result<stompbox::Client, stompbox::ConnectError> {
    stompbox::connect(&format!("stomp://{addr}")).await
}

type Transport = async_stomp::client::ClientTransport;

async fn async_stomp(addr: &str) -> Result<Transport, Box<dyn Error>> {
    let connector = Connector::builder().server(addr).virtualhost("/");
    Ok(connector.connect().await?)
}

fn send(receipt: Option<usize>) -> Message<ToServer> {
    let receipt = receipt.map(|number| vec![("receipt".to_owned(), number.to_string())]);
    ToServer::Send {
        destination: TOPIC.into(),
        transaction: None,
        headers: receipt,
        body: Some(BODY.into()),
    }
    .into()
}

fn is_receipt(message: &FromServer) -> bool {
    matches!(message, FromServer::Receipt { .. })
}

async fn until<S, E>(stream: &mut S, count: usize, counts: impl Fn(&FromServer) -> bool) -> Outcome
where
    S: futures_util::Stream<Item = Result<Message<FromServer>, E>> + Unpin,
    E: Into<Box<dyn Error>>,
{
    let mut left = count;
    while left > 0 {
        let message = stream.next().await.ok_or("an end")?.map_err(Into::into)?;
        left -= usize::from(counts(&message.content));
    }
    Ok(())
}

async fn iridium(addr: &str) -> Result<iridium_stomp::Connection, iridium_stomp::ConnError> {
    use iridium_stomp::Connection;
    Connection::connect(addr, "guest", "guest", Connection::NO_HEARTBEAT).await
}

fn frame() -> iridium_stomp::Frame {
    iridium_stomp::Frame::new("SEND")
        .header("destination", TOPIC)
        .set_body(BODY)
}

async fn stomp_rs(addr: &str) -> Result<stomp_rs::client::Client, Box<dyn Error>> {
    stomp_rs::client::Client::connect(stomp_rs::client::ClientBuilder::new(addr)).await
}
