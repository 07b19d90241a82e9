//! What goes to the client: the broker's outputs and the session's own frames.

use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll},
};

use stompbox_broker::{BrokerError, Command, Output};
use stompbox_proto::{Command as Verb, ContentLength, encode};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{BATCH, BRIEF, Connection, SCRATCH};
use crate::{
    deliver::Encoder,
    websocket::{CloseCode, put_message},
};

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Encodes what the broker has for this client.
    pub(super) fn take_outputs(&mut self) -> bool {
        if self.out.len() - self.sent >= BATCH {
            return false;
        }
        if self.outbox.take(&mut self.outputs)
            && self.end.is_none()
            && !self.drain()
            && !self.quitting
        {
            self.finish(CloseCode::GoingAway, "the server is stopping");
        }
        if self.outputs.is_empty() {
            return false;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            // The room that everybody uses, unless something is left from before.
            let lent = self.out.is_empty() && self.out.capacity() < scratch.out.capacity();
            if lent {
                mem::swap(&mut self.out, &mut scratch.out);
            }
            let (mut delivered, mut messages) = (0, 0);
            while self.out.len() - self.sent < BATCH
                && self.end.is_none()
                && let Some(output) = self.outputs.pop_front()
            {
                match output {
                    Output::Deliver(delivery) => {
                        delivered += delivery.size();
                        if delivery.subscriber.is_closed() {
                            self.commands.push(Command::GiveBack(Box::new(delivery)));
                        } else {
                            messages += 1;
                            let head = &mut scratch.head;
                            self.encode(|encoder, out| encoder.message(out, head, &delivery));
                        }
                    }
                    output => self.encode_other(output),
                }
            }
            if messages > 0 {
                let census = &self.shared.census;
                census.sent_messages(&self.outbox.peer, messages);
            }
            if delivered > 0 {
                let end = self.written + (self.out.len() - self.sent) as u64;
                self.marks.push_back((end, delivered));
            }
            self.session.sent(self.shared.epoch.elapsed());
        });
        true
    }

    fn encode_other(&mut self, output: Output) {
        match output {
            Output::Deliver(_) => {}
            Output::Receipt(receipt) => self.encode_receipt(&receipt),
            Output::BrowserEnd(subscriber) => {
                self.encode(|encoder, out| encoder.browser_end(out, &subscriber));
            }
            Output::Pause => self.pause = Some(self.now() + BRIEF),
            Output::Bye(receipt) => {
                if let Some(receipt) = receipt {
                    self.encode_receipt(&receipt);
                }
                match self.last_words.take() {
                    Some((words, code, reason)) => {
                        if !words.is_empty() {
                            self.put_frame(&words);
                        }
                        self.finish(code, &reason);
                    }
                    None => self.finish(CloseCode::Normal, ""),
                }
            }
            Output::Error { error, receipt } => {
                let (message, detail, close) = match &error {
                    BrokerError::AccessDenied { reason } => (
                        "access denied".to_owned(),
                        format!("Access denied: {reason}.\n"),
                        CloseCode::Policy,
                    ),
                    BrokerError::SlowConsumer { .. } => (
                        "slow consumer".to_owned(),
                        format!("{error}.\n"),
                        CloseCode::Policy,
                    ),
                    BrokerError::Kicked { .. } => (
                        "kicked".to_owned(),
                        format!("{error}.\n"),
                        CloseCode::Policy,
                    ),
                    error => (error.to_string(), format!("{error}\n"), CloseCode::Protocol),
                };
                self.tell_error(error.code(), &detail);
                let codes = [("x-error-code", error.code()), ("x-retry", error.retry())];
                self.session
                    .error(&message, &detail, receipt.as_deref(), &codes);
                self.last_words = None;
                self.collect();
                self.finish(close, &message);
            }
        }
    }

    pub(super) fn encode_receipt(&mut self, id: &str) {
        let mut frame = Vec::with_capacity(32 + id.len());
        let headers = [("receipt-id", id)];
        let dialect = self.session.dialect();
        let length = ContentLength::Auto;
        // An id that can't be written came in a frame that could not write it either.
        if encode(&mut frame, dialect, Verb::Receipt, headers, b"", length).is_ok() {
            self.put_frame(&frame);
        }
    }

    /// Has something written to the end of what goes out.
    #[inline]
    fn encode(&mut self, write: impl FnOnce(&Encoder<'_>, &mut Vec<u8>)) {
        let encoder = Encoder {
            dialect: self.session.dialect(),
            run: &self.shared.run,
            websocket: self.is_websocket,
            binary: self.is_binary,
            deflate: self.outbox.peer.via.deflate,
        };
        write(&encoder, &mut self.out);
    }

    pub(super) fn put_frame(&mut self, frame: &[u8]) {
        self.encode(|encoder, out| encoder.frame(out, frame));
    }

    /// Writes a `MESSAGE` that is encoded already.
    pub(super) fn put_message(&mut self, frame: &[u8]) {
        if self.is_websocket {
            let is_binary = self.is_binary || std::str::from_utf8(frame).is_err();
            let deflate = self.outbox.peer.via.deflate;
            put_message(&mut self.out, frame, is_binary, deflate);
        } else {
            self.out.extend_from_slice(frame);
        }
    }

    /// Writes the session's own frames.
    pub(super) fn collect(&mut self) {
        while let Some(frame) = self.session.poll_transmit() {
            self.put_frame(&frame);
        }
    }

    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<bool> {
        let mut progress = false;
        let before = self.written;
        while self.sent < self.out.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.out[self.sent..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => {
                    self.sent += count;
                    self.written += count as u64;
                    self.write_by = None;
                    self.flushed = false;
                    progress = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => {
                    let limit = self.shared.config.write_timeout;
                    let now = self.now();
                    self.write_by.get_or_insert(now + limit);
                    break;
                }
            }
        }
        if self.written > before {
            let census = &self.shared.census;
            census.sent_bytes(&self.outbox.peer, self.written - before);
        }
        if self.sent == self.out.len() {
            if !self.flushed {
                // Without TLS there is nothing to do.
                match Pin::new(&mut self.stream).poll_flush(cx) {
                    Poll::Ready(result) => {
                        result?;
                        self.flushed = true;
                    }
                    Poll::Pending => {}
                }
            }
            self.out.clear();
            self.sent = 0;
            if self.out.capacity() > 0 {
                SCRATCH.with_borrow_mut(|scratch| {
                    if scratch.out.capacity() < self.out.capacity() {
                        scratch.out = mem::take(&mut self.out);
                    }
                });
            }
        } else if self.sent > BATCH {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
        while let Some((end, size)) = self.marks.front()
            && *end <= self.written
        {
            self.drained += size;
            self.marks.pop_front();
        }
        self.tell_written();
        Ok(progress)
    }
}
