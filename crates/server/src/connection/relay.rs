//! The gateway's side of a connection: its client's frames on their way to brokers, and what comes of
//! them.

use std::{
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use stompbox_broker::Command;
use stompbox_proto::{Dialect, FrameRef, server::Event};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{BATCH, BRIEF, Connection};
use crate::{
    gateway::{Act, Admitted, Failure, Gateway, Introduction, Item, Rules},
    requests::Refusal,
    users::Principal,
    websocket::CloseCode,
};

/// How long a client that has closed its side, or is gone, waits for the receipt of its `DISCONNECT`.
const HALF_CLOSED: Duration = Duration::from_secs(2);

/// Bytes that are read of a client while brokers take nothing.
const EARLY: usize = 4 << 10;

/// What a relayed frame comes to.
pub(super) enum Relayed {
    /// It is on its way, or answered.
    Done,
    /// The engine does it; with what is different there.
    Engine(Option<Act>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Has a login checked by the gateway.
    pub(super) fn introduce_to(
        &mut self,
        gateway: &Arc<Gateway>,
        frame: &FrameRef<'_>,
        login: Option<&str>,
        passcode: Option<&str>,
    ) {
        let introduction = Introduction::new(frame, login, passcode);
        let (shared, gateway) = (Arc::clone(&self.shared), Arc::clone(gateway));
        let outbox = Arc::clone(&self.outbox);
        let dialect = self.future_dialect();
        self.login = Some(Box::pin(async move {
            let admitted = gateway
                .admit(&shared.users, introduction, outbox, dialect)
                .await;
            admitted.map(super::Entry::Gateway)
        }));
    }

    /// How frames will be written once the client is in.
    fn future_dialect(&self) -> Dialect {
        self.session.version().map_or(Dialect::V1_0, Dialect::from)
    }

    /// The gateway lets the client in.
    pub(super) fn admit(&mut self, admitted: Admitted, principal: &Principal) {
        if let Some(gateway) = &self.shared.gateway {
            let client = Arc::clone(gateway).client(
                admitted,
                Arc::clone(&self.outbox),
                principal.login().unwrap_or(&self.identity.login),
                self.future_dialect(),
            );
            self.relay = Some(Box::new(client));
        }
    }

    /// Gives a frame to the gateway, if there is one.
    pub(super) fn relay(&mut self, event: &Event<'_>) -> Result<Relayed, Refusal> {
        let Some(relay) = &mut self.relay else {
            return Ok(Relayed::Engine(None));
        };
        if let Some(gateway) = &self.shared.gateway {
            let mut rules = Rules {
                guard: &mut self.guard,
                kind: gateway.kind(),
                user: &self.identity.login,
            };
            if let Err(failure) = rules.permit(event) {
                relay.mail.items.push_back(Item::Failure(failure));
                self.refused = true;
                return Ok(Relayed::Done);
            }
        }
        if let Event::Disconnect { receipt } = event {
            if relay.quit() {
                return Ok(Relayed::Engine(None));
            }
            self.bye = receipt.as_deref().map(Into::into);
            self.wait_for_farewell();
            return Ok(Relayed::Done);
        }
        let is_text = self.is_websocket && !self.is_binary;
        match relay.request(event, is_text) {
            Ok(Act::Done) => Ok(Relayed::Done),
            Ok(Act::Receipt(receipt)) => {
                if let Some(receipt) = receipt {
                    relay.mail.receipt(receipt);
                }
                Ok(Relayed::Done)
            }
            Ok(act) => Ok(Relayed::Engine(Some(act))),
            Err(failure) => {
                relay.mail.items.push_back(Item::Failure(failure));
                self.refused = true;
                Ok(Relayed::Done)
            }
        }
    }

    /// Writes what the gateway has for the client. True: there was something.
    pub(super) fn take_mail(&mut self) -> bool {
        let Some(mut relay) = self.relay.take() else {
            return false;
        };
        let mut progress = false;
        while self.end.is_none() && self.out.len() - self.sent < BATCH {
            if relay.mail.is_empty() {
                // Bytes of frames that were written are done with.
                relay.mail.clear();
                if !self.outbox.take_mail(&mut relay.mail) {
                    break;
                }
                relay.taken();
            }
            progress = true;
            let bytes = mem::take(&mut relay.mail.bytes);
            let mut at = 0;
            let (mut written, mut messages) = (Vec::new(), 0);
            while self.end.is_none()
                && let Some(item) = relay.mail.items.pop_front()
            {
                match item {
                    Item::Frame {
                        length,
                        written: of,
                    } => {
                        let frame = bytes.get(at..at + length).unwrap_or_default();
                        at += length;
                        self.put_message(frame);
                        messages += 1;
                        written.extend(of);
                    }
                    Item::Receipt(receipt) => self.encode_receipt(&receipt),
                    Item::Failure(failure) => self.fail(&failure),
                    Item::Bye => {
                        if relay.bye() {
                            let receipt = self.bye.take();
                            self.commands.push(Command::Quit { receipt });
                        }
                    }
                }
            }
            relay.mail.bytes = bytes;
            if messages > 0 {
                let census = &self.shared.census;
                census.sent_messages(&self.outbox.peer, messages);
            }
            if !written.is_empty() {
                let end = self.written + (self.out.len() - self.sent) as u64;
                relay.marks.push_back((end, written));
            }
        }
        if progress {
            self.session.sent(self.shared.epoch.elapsed());
        }
        if relay.mail.is_empty() && relay.mail.bytes.capacity() > 0 {
            relay.mail.bytes = Vec::new();
        }
        self.relay = Some(relay);
        progress
    }

    /// Bytes of receipts that the client has not taken.
    pub(super) fn receipts_size(&self) -> usize {
        self.relay
            .as_ref()
            .map_or(0, |_| self.outbox.receipts_size())
    }

    /// Brokers have so long to confirm what the client has sent.
    fn wait_for_farewell(&mut self) {
        let patience = self.shared.gateway.as_ref().map(|it| it.patience());
        self.quit_by = Some(self.now() + patience.unwrap_or_default());
    }

    /// The server is stopping: nothing more is read, and what was is answered before the client goes.
    /// False: there is nothing to wait for.
    pub(super) fn drain(&mut self) -> bool {
        let Some(relay) = &mut self.relay else {
            return false;
        };
        let first = !self.quitting;
        if first {
            if relay.quit() {
                return false;
            }
            let code = CloseCode::GoingAway;
            self.last_words = Some((Vec::new(), code, "the server is stopping".to_owned()));
            self.quitting = true;
            self.wait_for_farewell();
        }
        // Some of the time is for what is then still to be written.
        let by = self.now() + self.shared.config.drain_timeout * 3 / 4;
        if first || !self.drains {
            self.quit_by = self.quit_by.map(|it| it.min(by));
        }
        self.drains = true;
        true
    }

    /// Whether the client is still there, while it waits for its farewell. True: something came.
    pub(super) fn poll_farewell(&mut self, cx: &mut Context<'_>) -> bool {
        if self.half_closed {
            return false;
        }
        let mut scrap = [0; 4096];
        let mut buffer = ReadBuf::new(&mut scrap);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                // It may have closed only its own side.
                self.half_closed = true;
                let by = self.now() + HALF_CLOSED;
                self.quit_by = self.quit_by.map(|it| it.min(by));
                true
            }
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(_)) => {
                self.end_as_gone();
                true
            }
            Poll::Pending => false,
        }
    }

    /// Brokers do not say what became of what the client sent.
    pub(super) fn give_up_farewell(&mut self) {
        self.quit_by = None;
        let receipt = self.bye.take();
        let why = "it does not confirm what was sent before the client went";
        self.fail(&Failure::unavailable(why, receipt));
    }

    /// The client is told to go.
    pub(super) fn fail(&mut self, failure: &Failure) {
        let codes = [("x-error-code", failure.code), ("x-retry", failure.retry)];
        let receipt = failure.receipt.as_deref();
        match failure.code {
            "refused" => self.tell_refused(),
            code => self.tell_error(code, &failure.message),
        }
        self.session
            .error(&failure.message, &failure.detail, receipt, &codes);
        if self.id.is_none() {
            let close = match failure.retry {
                "never" => CloseCode::Policy,
                _ => CloseCode::GoingAway,
            };
            return self.end_with_words(close, &failure.message);
        }
        self.last_words = None;
        self.collect();
        let close = match failure.code {
            "upstream-lost" | "upstream-unavailable" => CloseCode::GoingAway,
            "slow-consumer" | "refused" | "access-denied" => CloseCode::Policy,
            _ => CloseCode::Protocol,
        };
        self.finish(close, &failure.message);
    }

    /// Brokers take less than the client sends: it is not read for a moment.
    pub(super) fn wait_for_brokers(&mut self) -> bool {
        let congested = self
            .relay
            .as_ref()
            .is_some_and(|relay| relay.is_congested());
        if congested {
            self.pause = Some(self.now() + BRIEF);
        }
        congested
    }

    /// Reads a little of what comes while brokers take nothing, so that a client that goes is noticed.
    pub(super) fn poll_early(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let room = EARLY.saturating_sub(self.early.len());
        if self.half_closed || room == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut scrap = [0; EARLY];
        let mut buffer = ReadBuf::new(scrap.get_mut(..room).unwrap_or_default());
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer)? {
            Poll::Ready(()) if buffer.filled().is_empty() => {
                // It may have closed only its own side, and what it sent before is still to go on.
                self.half_closed = true;
                let patience = self.shared.gateway.as_ref().map(|it| it.patience());
                self.gone_by = Some(self.now() + patience.unwrap_or_default());
            }
            Poll::Ready(()) => self.early.extend_from_slice(buffer.filled()),
            Poll::Pending => {}
        }
        Poll::Ready(Ok(()))
    }

    /// Brokers take something again.
    pub(super) fn take_early(&mut self) -> Poll<io::Result<()>> {
        let mut early = mem::take(&mut self.early);
        if !early.is_empty() {
            self.receive(&mut early);
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
    }

    /// So many bytes were written to the client.
    pub(super) fn tell_written(&mut self) {
        let written = self.written;
        if let Some(relay) = &mut self.relay
            && !relay.marks.is_empty()
        {
            relay.written(written);
        }
    }

    /// What is different where the engine does it for the gateway.
    pub(super) fn adapt(command: &mut Command, act: Option<Act>) {
        match (command, act) {
            (Command::Subscribe(subscribe), Some(Act::Subscribe { topic, receipt })) => {
                subscribe.destination = topic.as_ref().into();
                subscribe.receipt = receipt;
            }
            // A topic's messages come once: there is nothing to undo.
            (Command::Acknowledge { transaction, .. }, Some(_)) => *transaction = None,
            _ => {}
        }
    }
}
