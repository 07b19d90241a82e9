//! The task that owns the connection, and makes it again.

use std::{
    collections::VecDeque,
    future::{Future as _, poll_fn},
    pin::Pin,
    sync::{Arc, Weak, atomic::Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use stompbox_proto::{
    Decoder,
    client::{Event as Received, Timeout},
};

use crate::{
    Client, Closed, ConnectError, Event, Farewell, Message, ReceiptError,
    batch::Batch,
    connect::{Connected, Connector, handshake},
    log,
    queue::Queue,
    runtime::{self, Instant, Sleep},
    shared::{Handle, Shared},
    state::{Core, State},
    transport::{Incoming, Transport},
};

/// How long the last frames may take to leave.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes that a transport may owe by itself, beyond which nothing is read.
const MOST_OWED: usize = 1 << 20;

/// A connection that lasts longer was a good one: the next attempts count from 1 again.
const GOOD: Duration = Duration::from_secs(10);

pub(crate) struct Driver {
    shared: Arc<Shared>,
    handle: Weak<Handle>,
    connector: Connector,
    transport: Box<dyn Transport>,
    decoder: Decoder,
    /// Where bytes are read to.
    input: BytesMut,
    /// What was read before, and is to be decoded.
    block: Bytes,
    epoch: Instant,
    writing: Batch,
    stalled: Option<Stall>,
    timer: Option<(Duration, Pin<Box<Sleep>>)>,
    /// Since the last good connection.
    attempts: u32,
    /// How the server answered `DISCONNECT`, where it did.
    farewell: Farewell,
}

/// A subscription that has no room: nothing is read until it has.
struct Stall {
    queue: Arc<Queue>,
    id: String,
    /// When the program is told that it is slow; `None`: it was.
    tell_at: Option<Duration>,
}

/// How long a program may let a full buffer be before it is told.
const SLOW: Duration = Duration::from_secs(1);

type Parts = (Box<dyn Transport>, Decoder, BytesMut, Instant);

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        handle: Weak<Handle>,
        connector: Connector,
        (transport, decoder, input, epoch): Parts,
    ) -> Self {
        Self {
            shared,
            handle,
            connector,
            transport,
            decoder,
            input,
            block: Bytes::new(),
            epoch,
            writing: Batch::default(),
            stalled: None,
            timer: None,
            attempts: 0,
            farewell: Farewell::Receipt,
        }
    }

    /// Runs connection after connection.
    pub(crate) async fn run(mut self) {
        loop {
            let reason = poll_fn(|cx| self.poll_drive(cx)).await;
            log::debug!(reason = %reason, "the connection has ended");
            if let Closed::ServerError {
                message,
                detail,
                receipt_id,
            } = &reason
            {
                self.shared.events.tell(&Event::ServerError {
                    message: message.clone(),
                    detail: detail.clone(),
                    receipt_id: receipt_id.clone(),
                });
            }
            if self.is_over(&reason) {
                return self.finish(reason).await;
            }
            self.lose(&reason);
            match self.reconnect().await {
                Ok(connected) => self.restore(connected),
                Err(reason) => return self.finish(reason).await,
            }
        }
    }

    fn is_over(&self, reason: &Closed) -> bool {
        let core = self.shared.lock();
        self.connector.policy().is_none()
            || self.shared.is_orphaned.load(Ordering::SeqCst)
            || matches!(core.state, State::Disconnecting)
            || matches!(reason, Closed::Disconnected)
    }

    /// Ends what waits for this connection, and gives its parts back.
    fn lose(&mut self, reason: &Closed) {
        self.stalled = None;
        self.timer = None;
        self.shared.lock().lose(&mut self.writing, reason);
        if self.epoch.elapsed() >= GOOD {
            self.attempts = 0;
        }
        self.shared.events.tell(&Event::Disconnected {
            reason: reason.clone(),
        });
        self.shared.changed.notify_waiters();
    }

    /// Tries until there is a connection, or there will be none.
    async fn reconnect(&mut self) -> Result<Connected, Closed> {
        let mut last: Option<Arc<ConnectError>> = None;
        let mut tried = 0;
        loop {
            self.attempts = self.attempts.saturating_add(1);
            let Some(policy) = self.connector.policy() else {
                return Err(Closed::Disconnected);
            };
            let wait = match &last {
                None if policy.permits(self.attempts) => Some(policy.wait(self.attempts)),
                None => None,
                Some(error) => policy.next(self.attempts - 1, error),
            };
            let Some(wait) = wait else {
                return Err(Closed::NotReconnected {
                    attempts: tried,
                    source: last.unwrap_or_else(|| Arc::new(ConnectError::Timeout)),
                });
            };
            self.shared.events.tell(&Event::Reconnecting {
                attempt: self.attempts,
                wait,
                last: last.clone(),
            });
            log::debug!(attempt = self.attempts, wait = ?wait, "connecting again");
            let shared = Arc::clone(&self.shared);
            let connect = async {
                runtime::sleep(wait).await;
                self.connector.connect().await
            };
            let result = tokio::select! {
                result = connect => result,
                () = poll_fn(|cx| poll_given_up(&shared, cx)) => return Err(Closed::Disconnected),
            };
            tried += 1;
            match result {
                Ok(connected) => return Ok(connected),
                Err(error) => last = Some(Arc::new(error)),
            }
        }
    }

    fn restore(&mut self, connected: Connected) {
        let Connected {
            transport,
            session,
            decoder,
            input,
            epoch,
            version,
            info,
            server,
        } = connected;
        self.transport = transport;
        self.decoder = decoder;
        self.input = input;
        self.block = Bytes::new();
        self.epoch = epoch;
        let limits = &self.shared.settings.limits;
        let restored = self.shared.lock().restore(session, version, info, limits);
        let (subscriptions, messages, discarded) = restored;
        for reason in discarded {
            log::warning!(reason = %reason, "not expressible in the new version");
            self.shared.events.tell(&Event::Discarded { reason });
        }
        log::debug!(server = %server, version = %version, "connected again");
        self.shared.events.tell(&Event::Connected {
            server,
            version,
            subscriptions,
            messages,
        });
        self.shared.changed.notify_waiters();
    }

    /// Tells everybody why it is over, and closes the connection.
    async fn finish(mut self, reason: Closed) {
        let disconnected = {
            let mut core = self.shared.lock();
            // What is to be sent before the end, such as DISCONNECT or an answer.
            let disconnected = core.disconnected.take();
            let mut last = std::mem::take(&mut core.out);
            for (kind, frame) in last.unsent() {
                self.writing.push(kind, frame);
            }
            last.clear();
            core.end(&reason);
            disconnected
        };
        if let Some(disconnected) = disconnected
            && matches!(reason, Closed::Disconnected)
        {
            let _ = disconnected.send(self.farewell);
        }
        self.shared.changed.notify_waiters();
        self.shared.events.tell(&Event::Closed { reason });
        let last = async {
            let written = poll_fn(|cx| self.transport.poll_write(cx, &mut self.writing)).await;
            if written.is_ok() {
                poll_fn(|cx| self.transport.poll_close(cx)).await;
            }
        };
        // The server may have gone; it is over in any case.
        let _ = runtime::timeout(CLOSE_TIMEOUT, last).await;
    }

    /// Does what there is to do, until the connection ends.
    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        loop {
            self.shared.waker.register(cx.waker());
            // What is asked for after this wakes the task again.
            self.shared.is_woken.store(false, Ordering::SeqCst);
            if let Err(reason) = self.receive() {
                return Poll::Ready(reason);
            }
            if self.disconnect_if_orphaned() {
                return Poll::Ready(Closed::Disconnected);
            }
            let mut is_done = true;
            match self.poll_write(cx) {
                Ok(progress) => is_done &= !progress,
                Err(error) => return Poll::Ready(Closed::Io(Arc::new(error))),
            }
            if self.stalled.is_none() && self.transport.owed() < MOST_OWED {
                match self.transport.poll_read(cx, &mut self.input) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(Incoming::Bytes)) => {
                        is_done = false;
                        let now = self.epoch.elapsed();
                        self.shared.lock().session.heard(now);
                    }
                    Poll::Ready(Ok(Incoming::End)) => return Poll::Ready(Closed::ByServer),
                    Poll::Ready(Ok(Incoming::Farewell)) => return Poll::Ready(self.part()),
                    Poll::Ready(Ok(Incoming::TooBig)) => {
                        let problem = "a message is beyond the limit".into();
                        return Poll::Ready(Closed::Protocol(problem));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Closed::Io(Arc::new(error))),
                }
            }
            if is_done && !self.shared.is_woken.load(Ordering::SeqCst) {
                return self.poll_timer(cx);
            }
        }
    }

    /// The server has closed, saying that all is done: why it is over, seen from here.
    fn part(&mut self) -> Closed {
        let mut core = self.shared.lock();
        let is_told = self.writing.is_done() && core.out.is_done();
        if matches!(core.state, State::Disconnecting) && is_told && core.receipts.is_empty() {
            self.farewell = Farewell::Close;
            return Closed::Disconnected;
        }
        Closed::ByServer
    }

    /// Whether the session is over since nobody is there any more.
    fn disconnect_if_orphaned(&self) -> bool {
        if !self.shared.is_orphaned.load(Ordering::SeqCst) {
            return false;
        }
        let mut core = self.shared.lock();
        // Nobody waits for a receipt.
        !matches!(core.state, State::Connected) || {
            core.disconnect(None);
            true
        }
    }

    /// Sends what there is. True: something was sent.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> std::io::Result<bool> {
        let mut progress = false;
        loop {
            let before = self.writing.pending();
            if let Poll::Ready(result) = self.transport.poll_write(cx, &mut self.writing) {
                result?;
            }
            let sent = before - self.writing.pending();
            progress |= sent > 0;
            let is_done = self.writing.is_done();
            let mut core = self.shared.lock();
            if sent > 0 {
                core.session.sent(self.epoch.elapsed());
            }
            if !is_done || core.out.is_done() {
                return Ok(progress);
            }
            self.writing.clear();
            std::mem::swap(&mut self.writing, &mut core.out);
            drop(core);
            self.shared.changed.notify_waiters();
        }
    }

    /// Waits for what is due next.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        loop {
            let slow_at = self.stalled.as_ref().and_then(|stall| stall.tell_at);
            let session_at = self.shared.lock().session.poll_timeout();
            let Some(at) = slow_at.into_iter().chain(session_at).min() else {
                return Poll::Pending;
            };
            // What is due moves with each frame; a timer that rings too early is set again.
            if self.timer.as_ref().is_none_or(|(set, _)| *set > at) {
                let wait = at.saturating_sub(self.epoch.elapsed());
                self.timer = Some((at, Box::pin(runtime::sleep(wait))));
            }
            if let Some((_, timer)) = &mut self.timer {
                ready!(timer.as_mut().poll(cx));
            }
            self.timer = None;
            let now = self.epoch.elapsed();
            if let Some(stall) = &mut self.stalled
                && stall.tell_at.take_if(|at| *at <= now).is_some()
            {
                self.shared.events.tell(&Event::SlowConsumer {
                    subscription: stall.id.clone(),
                    waiting: stall.queue.waiting(),
                });
            }
            let mut core = self.shared.lock();
            if self.stalled.is_some() {
                // It is this end that does not listen.
                core.session.heard(now);
            }
            if let Some(Timeout::PeerSilent | Timeout::NoConnected) =
                core.session.handle_timeout(now)
            {
                return Poll::Ready(Closed::HeartBeatLost);
            }
            core.collect();
            let is_due = !core.out.is_done();
            drop(core);
            if is_due && let Err(error) = self.poll_write(cx) {
                return Poll::Ready(Closed::Io(Arc::new(error)));
            }
        }
    }

    /// Decodes what came, up to a message that has no room after it.
    fn receive(&mut self) -> Result<(), Closed> {
        while self.stalled.is_some() || !self.block.is_empty() || !self.input.is_empty() {
            if self.block.is_empty() {
                self.block = self.input.split().freeze();
            }
            let shared = Arc::clone(&self.shared);
            let mut core = shared.lock();
            if self.has_stalled(&mut core) {
                return Ok(());
            }
            let mut told = Vec::new();
            let mut delivery = Delivery::default();
            let result = self.receive_all(&mut core, &mut delivery, &mut told);
            core.receipts.tell();
            drop(core);
            delivery.flush();
            told.iter().for_each(|event| shared.events.tell(event));
            result?;
        }
        Ok(())
    }

    /// Whether there is still no room.
    fn has_stalled(&mut self, core: &mut Core) -> bool {
        let Some(Stall { queue, .. }) = &self.stalled else {
            return false;
        };
        // First the mark, then the look: whoever makes room in between sees the mark.
        queue.stalls.store(true, Ordering::SeqCst);
        if !queue.has_room(core.is_awaited()) {
            return true;
        }
        queue.stalls.store(false, Ordering::SeqCst);
        self.stalled = None;
        false
    }

    fn receive_all(
        &mut self,
        core: &mut Core,
        delivery: &mut Delivery,
        told: &mut Vec<Event>,
    ) -> Result<(), Closed> {
        let now = self.epoch.elapsed();
        let block = self.block.clone();
        let mut rest: &[u8] = &block;
        let broken = |problem: String| Closed::Protocol(problem);
        // For the messages; of none, the last handle is gone.
        let client = self.handle.upgrade().map(|handle| Client { handle });
        while !rest.is_empty() {
            let dialect = core.session.dialect();
            let decoded = self.decoder.decode(&mut rest, dialect);
            let Some(frame) = decoded.map_err(|error| broken(error.to_string()))? else {
                break;
            };
            let received = core.session.receive(&frame, now);
            match received.map_err(|error| broken(error.to_string()))? {
                Received::Message {
                    subscription,
                    frame,
                    ..
                } => {
                    let Some(client) = client.clone() else {
                        continue;
                    };
                    let message = Message::new(client, core.connection, &frame, &block);
                    let id = subscription.as_deref();
                    if !delivery.is_for(id) {
                        match core.subscription(id) {
                            Some((id, queue)) => delivery.turn_to(id, queue),
                            None => {
                                told.extend(unexpected(core, id, message));
                                continue;
                            }
                        }
                    }
                    delivery.push(message);
                    if delivery.room == 0
                        && let Some((id, queue)) = delivery.flush_for_room(core)
                    {
                        let tell_at = Some(now + SLOW);
                        self.stalled = Some(Stall { queue, id, tell_at });
                        break;
                    }
                }
                Received::Receipt { id, .. } => {
                    core.receipts.come(&id);
                }
                Received::Disconnected { .. } => return Err(Closed::Disconnected),
                Received::Error { frame } => {
                    let error = handshake::error(&frame);
                    if let Closed::ServerError {
                        receipt_id: Some(id),
                        ..
                    } = &error
                    {
                        // It would be refused each time that it is sent.
                        let refused = ReceiptError::Refused(error.clone());
                        core.receipts.fail(id, refused);
                    }
                    return Err(error);
                }
                Received::Connected { .. } | Received::Unhandled { .. } => {}
            }
        }
        let used = block.len() - rest.len();
        self.block.advance(used);
        Ok(())
    }
}

/// A message of no subscription: a reply, or one to be told of.
fn unexpected(core: &mut Core, id: Option<&str>, message: Message) -> Option<Event> {
    if !id.is_some_and(|id| core.replies.is_reply(id)) {
        return Some(Event::Unexpected(message));
    }
    core.replies.take(message).map(Event::LateReply)
}

/// Ready when there is nobody any more for whom to connect.
fn poll_given_up(shared: &Shared, cx: &mut Context<'_>) -> Poll<()> {
    shared.waker.register(cx.waker());
    shared.is_woken.store(false, Ordering::SeqCst);
    let is_orphaned = shared.is_orphaned.load(Ordering::SeqCst);
    if is_orphaned || matches!(shared.lock().state, State::Disconnecting) {
        Poll::Ready(())
    } else {
        Poll::Pending
    }
}

/// The messages of one read for one subscription, which are handed over together.
#[derive(Default)]
struct Delivery {
    /// The subscription's id, and its queue.
    to: Option<(String, Arc<Queue>)>,
    messages: VecDeque<Message>,
    bytes: usize,
    /// How many more may come.
    room: usize,
}

impl Delivery {
    fn is_for(&self, id: Option<&str>) -> bool {
        matches!((&self.to, id), (Some((own, _)), Some(id)) if own == id)
    }

    fn turn_to(&mut self, id: &str, queue: &Arc<Queue>) {
        self.flush();
        self.room = queue.room();
        self.to = Some((id.to_owned(), Arc::clone(queue)));
    }

    fn push(&mut self, message: Message) {
        self.bytes += message.size();
        self.messages.push_back(message);
        self.room = self.room.saturating_sub(1);
    }

    /// Hands over what there is, and looks for room again. Gives who has none.
    fn flush_for_room(&mut self, core: &mut Core) -> Option<(String, Arc<Queue>)> {
        self.flush();
        let (_, queue) = self.to.as_ref()?;
        self.room = queue.room();
        if self.room == 0 && !queue.has_room(core.is_awaited()) {
            return self.to.take();
        }
        None
    }

    fn flush(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if let Some((_, queue)) = &self.to
            && !self.messages.is_empty()
        {
            queue.push_all(&mut self.messages, bytes);
        }
        self.messages.clear();
    }
}
