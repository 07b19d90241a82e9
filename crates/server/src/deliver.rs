//! `MESSAGE` frames: a delivery's own few headers before the message as it came.

use std::sync::Arc;

use stompbox_broker::{Delivery, Subscriber};
use stompbox_proto::{Dialect, Version, write_number};
use websocket_sans_io::Opcode;

use crate::websocket;

/// How one connection's frames are written.
pub(crate) struct Encoder<'a> {
    pub(crate) dialect: Dialect,
    /// Distinguishes this run's message ids from those of others.
    pub(crate) run: &'a str,
    pub(crate) websocket: bool,
    /// The client of a WebSocket wants binary messages.
    pub(crate) binary: bool,
    /// It takes compressed ones.
    pub(crate) deflate: bool,
}

impl Encoder<'_> {
    /// Writes a delivery to the end of `out`. `head` is room for its headers.
    #[inline]
    pub(crate) fn message(&self, out: &mut Vec<u8>, head: &mut Vec<u8>, delivery: &Delivery) {
        let message = &delivery.message;
        let wire = message.wire(self.dialect);
        if self.websocket {
            head.clear();
            self.head(head, delivery);
            let opcode = match message.is_text() && !self.binary {
                true => Opcode::Text,
                false => Opcode::Binary,
            };
            websocket::put_parts(out, opcode, [head, &wire], self.deflate);
        } else {
            self.head(out, delivery);
            out.extend_from_slice(&wire);
        }
    }

    fn head(&self, out: &mut Vec<u8>, delivery: &Delivery) {
        let Subscriber {
            id,
            line,
            include_sequence,
            ..
        } = &*delivery.subscriber;
        out.extend_from_slice(b"MESSAGE\n");
        match id {
            Some(id) if line.is_empty() => out.extend_from_slice(&line_of(id, self.dialect)),
            _ => out.extend_from_slice(line),
        }
        out.extend_from_slice(b"message-id:");
        out.extend_from_slice(self.run.as_bytes());
        out.push(b'-');
        write_number(out, delivery.sequence);
        out.push(b'\n');
        // 1.2 alone acknowledges by a header of its own.
        if delivery.tag != 0 && self.dialect == Dialect::V1_2 {
            field(out, b"ack:", delivery.tag);
        }
        if delivery.redeliveries > 0 {
            out.extend_from_slice(b"redelivered:true\n");
            field(out, b"x-delivery-count:", u64::from(delivery.redeliveries));
        }
        if delivery.position != 0 {
            field(out, b"x-stream-offset:", delivery.position - 1);
        }
        if delivery.retained {
            out.extend_from_slice(b"x-retained:true\n");
        }
        if let Some(name) = include_sequence {
            out.extend_from_slice(name.as_bytes());
            let position = match delivery.position {
                0 => delivery.sequence,
                position => position,
            };
            field(out, b":", position);
        }
    }

    /// Writes the mark that a browser has seen all.
    pub(crate) fn browser_end(&self, out: &mut Vec<u8>, subscriber: &Arc<Subscriber>) {
        let mut frame = b"MESSAGE\n".to_vec();
        frame.extend_from_slice(&subscriber.line);
        frame.extend_from_slice(b"message-id:");
        frame.extend_from_slice(self.run.as_bytes());
        frame.extend_from_slice(b"-end\ndestination:\nbrowser:end\n\n\0");
        self.frame(out, &frame);
    }

    /// Writes a frame of the session's, or a heart-beat.
    pub(crate) fn frame(&self, out: &mut Vec<u8>, frame: &[u8]) {
        if self.websocket {
            websocket::put_message(out, frame, self.binary, self.deflate);
        } else {
            out.extend_from_slice(frame);
        }
    }
}

/// The `subscription` line that a client's version wants, for a subscription of that id.
pub(crate) fn subscription_line(id: Option<&str>, version: Option<Version>) -> Box<[u8]> {
    let Some(id) = id else {
        return Box::default();
    };
    line_of(id, version.map_or(Dialect::V1_2, Dialect::from))
}

fn line_of(id: &str, dialect: Dialect) -> Box<[u8]> {
    let value = match dialect {
        // It came in a 1.0 frame, which can write what it could read.
        Dialect::V1_0 => id.into(),
        dialect => stompbox_proto::escape(id, dialect).unwrap_or_else(|_| id.into()),
    };
    format!("subscription:{value}\n").into_bytes().into()
}

fn field(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    write_number(out, value);
    out.push(b'\n');
}
