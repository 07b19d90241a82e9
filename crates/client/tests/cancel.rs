//! Futures that are dropped at any point, over a transport that is pending at any point.

mod common;

use std::{
    future::{Future, IntoFuture as _},
    io,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use common::{TestServer, soon};
use futures_util::{FutureExt as _, StreamExt as _};
use stompbox::{AckMode, Client, ConnectOptions};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A generator of numbers that look random, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % sides
    }
}

/// A stream that moves few bytes at a time, and is pending in between.
struct Fickle<S> {
    stream: S,
    dice: Dice,
}

impl<S> Fickle<S> {
    /// Pending, but to be polled again.
    fn hesitates(&mut self, cx: &Context<'_>) -> bool {
        let hesitates = self.dice.roll(3) > 0;
        if hesitates {
            cx.waker().wake_by_ref();
        }
        hesitates
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Fickle<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.hesitates(cx) {
            return Poll::Pending;
        }
        let most = usize::try_from(self.dice.roll(40)).unwrap() + 1;
        let mut few = vec![0; most.min(buf.remaining())];
        let mut few = ReadBuf::new(&mut few);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut few);
        buf.put_slice(few.filled());
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Fickle<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.hesitates(cx) {
            return Poll::Pending;
        }
        let most = usize::try_from(self.dice.roll(40)).unwrap() + 1;
        Pin::new(&mut self.stream).poll_write(cx, &bytes[..most.min(bytes.len())])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.hesitates(cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

async fn fickle(server: &TestServer, seed: u64) -> Fickle<TcpStream> {
    let address = server.stomp.trim_start_matches("stomp://");
    Fickle {
        stream: TcpStream::connect(address).await.unwrap(),
        dice: Dice(seed),
    }
}

async fn connect(server: &TestServer, seed: u64) -> Client {
    // Little room, so that requests have to wait for some.
    let options = ConnectOptions::new(&server.stomp).send_buffer(64);
    let stream = fickle(server, seed).await;
    soon(options.connect_on(stream)).await.unwrap()
}

/// Polls a future so many times, with turns of the runtime between, and drops it. Gives its output
/// if it got so far.
async fn give_up_after<F: Future>(polls: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Some(output) = future.as_mut().now_or_never() {
            return Some(output);
        }
        tokio::task::yield_now().await;
    }
    None
}

#[tokio::test]
async fn connecting_can_be_given_up_at_any_point() {
    let server = TestServer::start().await;
    for polls in 0..200 {
        let stream = fickle(&server, polls).await;
        let options = ConnectOptions::new(&server.stomp);
        if let Some(client) = give_up_after(polls, options.connect_on(stream)).await {
            soon(client.unwrap().disconnect()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_given_up_is_sent_whole_or_not_at_all() {
    let server = TestServer::start().await;
    for seed in 0..20 {
        let client = connect(&server, seed).await;
        let queue = format!("/queue/cancel-{seed}");
        let mut dice = Dice(seed + 1000);
        let mut sent = Vec::new();
        for number in 0..60_u64 {
            let send = client.send(&queue).body(number.to_string());
            let polls = dice.roll(4);
            match number % 4 {
                0 => {
                    if give_up_after(polls, send.into_future()).await.is_some() {
                        sent.push(number);
                    }
                }
                // Whether it was sent, the program can't know if it gives up the receipt.
                1 => drop(give_up_after(polls, send.receipt()).await),
                2 => {
                    // A transaction whose end is given up happens whole or not at all.
                    let transaction = client.transaction(async |tx| {
                        tx.send(&queue).body(format!("{number} a")).await.unwrap();
                        tx.send(&queue).body(format!("{number} b")).await.unwrap();
                        Ok::<_, stompbox::TransactionError>(())
                    });
                    drop(give_up_after(polls * 3, transaction).await);
                }
                _ => {
                    let other = format!("/queue/cancel-other-{seed}");
                    let subscribe = client.subscribe(&other);
                    let mut messages = give_up_after(polls, subscribe.into_future()).await;
                    if let Some(Ok(messages)) = &mut messages {
                        drop(give_up_after(polls, messages.next()).await);
                    }
                }
            }
        }
        client.send(&queue).body("end").await.unwrap();
        soon(client.disconnect()).await.unwrap();
        let client = connect(&server, seed + 2000).await;
        let mut messages = client
            .subscribe(&queue)
            .ack(AckMode::ClientIndividual)
            .await
            .unwrap();
        let mut seen = Vec::new();
        loop {
            let message = soon(messages.next()).await.unwrap().unwrap();
            // Acknowledging may be given up too.
            drop(give_up_after(dice.roll(3), message.ack()).await);
            let text = message.text().unwrap().to_owned();
            if text == "end" {
                break;
            }
            seen.push(text);
        }
        for number in sent {
            let text = number.to_string();
            assert_eq!(
                seen.iter().filter(|s| **s == text).count(),
                1,
                "{text} of {seen:?}"
            );
        }
        for (at, text) in seen
            .iter()
            .enumerate()
            .filter(|(_, text)| text.ends_with('a'))
        {
            let second = text.replace('a', "b");
            assert_eq!(
                seen.get(at + 1),
                Some(&second),
                "half a transaction in {seen:?}"
            );
        }
        assert!(
            !seen.iter().all(|text| text.parse::<u64>().is_ok()),
            "some transactions happen"
        );
    }
}

#[test]
fn everything_may_change_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    fn is_send<T: Send>(_: T) {}
    is_send_and_sync::<Client>();
    is_send_and_sync::<ConnectOptions>();
    is_send_and_sync::<stompbox::Message>();
    is_send_and_sync::<stompbox::Subscription>();
    is_send_and_sync::<stompbox::Transaction>();
    is_send_and_sync::<stompbox::Events>();
    is_send_and_sync::<stompbox::PendingReceipt>();
    is_send_and_sync::<stompbox::ConnectError>();
    is_send(ConnectOptions::new("stomp://h").connect());
}
