use std::{
    borrow::Cow,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
};

use bytes::Bytes;
use stompbox_proto::{Dialect, FrameRef, escape, write_number};

use crate::{
    BrokerError, Time,
    dialect::send::{self, Extras, SendHeaders},
};

/// A header's name and value.
type Header = (Box<str>, Box<str>);

/// A message, shared by all its deliveries and never changed.
///
/// It is kept as it goes over the wire, so that a delivery copies it once and encodes nothing: see
/// [`wire`](Self::wire).
#[derive(Debug)]
pub struct Message {
    /// `destination:…`, the other headers as STOMP 1.2 escapes them, `content-length`, a blank
    /// line, the body, and its NUL.
    block: Vec<u8>,
    body_start: usize,
    /// The end of the destination's line in `block`.
    destination_end: usize,
    /// Whether any header holds an escape.
    escaped: bool,
    /// Whether any header holds a carriage return, which 1.1 can't express.
    has_cr: bool,
    /// 0: not known yet; 1: the body is UTF-8; 2: it is not.
    text: AtomicU8,
    /// Survives a restart, where the store is on disk.
    pub(crate) persistent: bool,
    /// 0 to 9; 4 without a header.
    pub(crate) priority: u8,
    /// When it is worth nothing any more; 0: never.
    pub(crate) expires: Time,
    pub(crate) extras: Option<Box<Extras>>,
    /// Unescaped headers, made when a message with escapes is first asked for one.
    plain: OnceLock<Box<[Header]>>,
}

/// Room that a message takes beside its bytes, about.
const OVERHEAD: usize = 160;

const DESTINATION: &[u8] = b"destination:";

impl Message {
    /// The message of a `SEND` frame. `reply_token` is the connection's own; see
    /// [`Identity`](crate::Identity).
    ///
    /// # Errors
    ///
    /// A header that the broker acts on has a value that makes no sense.
    pub fn of(
        frame: &FrameRef<'_>,
        destination: &str,
        reply_token: &str,
        now: Time,
    ) -> Result<Self, BrokerError> {
        let mut builder = Builder::new(destination, frame.head_len() + frame.body().len() + 32);
        let mut headers = SendHeaders::new(now);
        if frame.is_plain() {
            for (name, value) in frame.plain_headers() {
                if send::is_server_owned(name) {
                    continue;
                }
                headers.take(name, value)?;
                match public_reply(name, value, reply_token) {
                    None => builder.plain_header(name, value),
                    Some(reply) => {
                        builder.header(name, &reply);
                        headers.extras().temp_reply = Some(value.into());
                    }
                }
            }
        } else {
            for (name, value) in frame.headers() {
                if send::is_server_owned(&name) {
                    continue;
                }
                headers.take(&name, &value)?;
                let reply = public_reply(&name, &value, reply_token);
                builder.header(&name, reply.as_deref().unwrap_or(&value));
                if reply.is_some() {
                    headers.extras().temp_reply = Some(value.as_ref().into());
                }
            }
        }
        headers.done();
        Ok(builder.build(frame.body(), headers))
    }

    /// A message of its parts.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub fn new(
        destination: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        now: Time,
    ) -> Result<Self, BrokerError> {
        let mut builder = Builder::new(destination, body.len() + 256);
        let mut parsed = SendHeaders::new(now);
        for (name, value) in headers {
            parsed.take(name, value)?;
            builder.header(name, value);
        }
        parsed.done();
        Ok(builder.build(body, parsed))
    }

    /// A message that another broker delivered. Of its headers none asks anything of this one.
    pub fn relayed<'h>(
        destination: &str,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: &[u8],
    ) -> Self {
        let mut builder = Builder::new(destination, body.len() + 256);
        let mut parsed = SendHeaders::new(0);
        for (name, value) in headers {
            match name {
                // What selectors ask for.
                "priority" => parsed.priority = value.parse().unwrap_or(parsed.priority).min(9),
                "persistent" => parsed.persistent = value == "true",
                _ => {}
            }
            builder.header(name, value);
        }
        builder.build(body, parsed)
    }

    /// What later messages with the same head can be made of. `None`: each is to be read by itself,
    /// for what its headers say depends on when it came, or is its own.
    pub fn template(&self) -> Option<Template> {
        if self.expires != 0 || self.extras.is_some() {
            return None;
        }
        Some(Template {
            head: self.block[..self.body_start].into(),
            body_length: self.body().len(),
            destination_end: self.destination_end,
            escaped: self.escaped,
            has_cr: self.has_cr,
            persistent: self.persistent,
            priority: self.priority,
        })
    }

    /// A message as [`stored`](Self::stored) gave it; `None` if the bytes are none.
    pub(crate) fn restore(block: Bytes, expires: Time) -> Option<Self> {
        let head_end = memchr::memmem::find(&block, b"\n\n")? + 2;
        let head = std::str::from_utf8(&block[..head_end]).ok()?;
        let destination_end = head.find('\n')?;
        if !head.starts_with("destination:") || block.last() != Some(&0) {
            return None;
        }
        let escaped = head.contains('\\');
        let mut headers = SendHeaders::new(0);
        for line in head.lines().skip(1) {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            // They were good when they came.
            let _ = headers.take(&unescape(name), &unescape(value));
        }
        headers.done();
        Some(Self {
            has_cr: escaped && head.contains("\\r"),
            text: AtomicU8::new(0),
            body_start: head_end,
            destination_end,
            escaped,
            persistent: headers.persistent,
            priority: headers.priority,
            expires,
            extras: headers.extras,
            plain: OnceLock::new(),
            block: block.into(),
        })
    }

    /// A copy with headers added behind the first line, instead of those of the same names, and
    /// perhaps another destination. What its other headers ask of the broker is not done again, but
    /// that a group stays together.
    pub(crate) fn with(&self, destination: Option<&str>, added: &[(&str, &str)]) -> Self {
        let own = self.destination();
        self.changed(destination.unwrap_or(&own), added, |_| false)
    }

    fn changed(
        &self,
        destination: &str,
        added: &[(&str, &str)],
        leaves: impl Fn(&str) -> bool,
    ) -> Self {
        let mut builder = Builder::new(destination, self.block.len() + 256);
        for (name, value) in added {
            builder.header(name, value);
        }
        for (name, value) in self.headers() {
            let replaced = added.iter().any(|(n, _)| *n == name);
            let kept = !matches!(&*name, "destination" | "content-length") && !leaves(&name);
            if !replaced && kept {
                builder.header(&name, &value);
            }
        }
        let mut headers = SendHeaders::new(0);
        headers.persistent = self.persistent;
        headers.priority = self.priority;
        headers.expires = self.expires;
        if let Some(group) = self.extras.as_ref().and_then(|extras| extras.group.clone()) {
            headers.extras().group = Some(group);
        }
        builder.build(self.body(), headers)
    }

    /// A copy for another destination, without headers of those names. It asks nothing of the
    /// broker, but that a group stays together.
    pub(crate) fn without(&self, destination: &str, names: &[&str]) -> Self {
        self.changed(destination, &[], |name| names.contains(&name))
    }

    /// A copy with a header more, which asks of the broker all that this one does.
    pub(crate) fn with_header(&self, name: &str, value: &str) -> Self {
        let mut message = self.with(None, &[(name, value)]);
        message.extras.clone_from(&self.extras);
        message
    }

    /// The copy that the scheduler sends: it does all that the headers say but be scheduled.
    pub(crate) fn scheduled(&self, job: &str) -> Self {
        let mut message = self.with(None, &[("scheduledJobId", job)]);
        message.extras = self.extras.clone().map(|mut extras| {
            extras.schedule = None;
            extras.temp_reply = None;
            extras
        });
        message
    }

    /// Whether a header of that name is the server's, and not for those who send.
    pub fn is_reserved_header(name: &str) -> bool {
        send::is_server_owned(name)
    }

    /// The bytes to store.
    pub(crate) fn stored(&self) -> Bytes {
        Bytes::copy_from_slice(&self.block)
    }

    /// The destination, as the `SEND` spelt it.
    pub fn destination(&self) -> Cow<'_, str> {
        let line = &self.block[DESTINATION.len()..self.destination_end];
        let text = std::str::from_utf8(line).unwrap_or_default();
        if self.escaped {
            unescape(text)
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Whether a header of it can't be written as it is.
    pub(crate) fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// All headers of it, unescaped, in wire order: those of the `SEND` that are not the server's.
    pub fn headers(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        self.lines()
            .map(|(name, value)| (unescape(name), unescape(value)))
    }

    /// The value of a header; of a repeated one the first.
    pub fn header(&self, name: &str) -> Option<&str> {
        if !self.escaped {
            return self.lines().find(|(n, _)| *n == name).map(|(_, v)| v);
        }
        let plain = self.plain.get_or_init(|| {
            self.headers()
                .map(|(n, v)| (n.into_owned().into(), v.into_owned().into()))
                .collect()
        });
        plain.iter().find(|(n, _)| **n == *name).map(|(_, v)| &**v)
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.block[self.body_start..self.block.len() - 1]
    }

    /// Whether the body is UTF-8, and so may go into a text message of a WebSocket.
    pub fn is_text(&self) -> bool {
        match self.text.load(Ordering::Relaxed) {
            0 => {
                let is_text = std::str::from_utf8(self.body()).is_ok();
                let known = if is_text { 1 } else { 2 };
                self.text.store(known, Ordering::Relaxed);
                is_text
            }
            known => known == 1,
        }
    }

    /// About how many bytes it takes up, in memory or on the wire.
    pub fn size(&self) -> usize {
        OVERHEAD + self.block.len()
    }

    /// What follows a `MESSAGE` frame's own headers in a dialect, up to its NUL. Headers that the
    /// dialect can't express are left out: the message still arrives.
    pub fn wire(&self, dialect: Dialect) -> Cow<'_, [u8]> {
        let as_it_is = match dialect {
            Dialect::V1_2 => true,
            Dialect::V1_1 => !self.has_cr,
            Dialect::V1_0 | Dialect::Handshake => !self.escaped,
        };
        if as_it_is {
            return Cow::Borrowed(&self.block);
        }
        let mut out = Vec::with_capacity(self.block.len());
        for (name, value) in self.headers() {
            // 1.0 has no escapes: there a name ends at its first colon.
            if dialect == Dialect::V1_0 && name.contains(':') {
                continue;
            }
            if let (Ok(name), Ok(value)) = (written(&name, dialect), written(&value, dialect)) {
                out.extend_from_slice(name.as_bytes());
                out.push(b':');
                out.extend_from_slice(value.as_bytes());
                out.push(b'\n');
            }
        }
        out.extend_from_slice(&self.block[self.body_start - 1..]);
        Cow::Owned(out)
    }

    fn lines(&self) -> impl Iterator<Item = (&str, &str)> {
        let head = std::str::from_utf8(&self.block[..self.body_start]).unwrap_or_default();
        head.lines().filter_map(|line| line.split_once(':'))
    }
}

/// What others are told instead of a `reply-to` that only the sender's connection knows.
#[inline]
fn public_reply(name: &str, value: &str, reply_token: &str) -> Option<String> {
    if name != "reply-to" {
        return None;
    }
    crate::destination::public_reply(value, reply_token)
}

/// Two messages are equal if all that consumers see of them is.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.block == other.block
    }
}

fn written(text: &str, dialect: Dialect) -> Result<Cow<'_, str>, stompbox_proto::EncodeError> {
    if dialect == Dialect::V1_0 && !text.contains(['\n', '\r', '\0']) {
        return Ok(Cow::Borrowed(text));
    }
    escape(text, dialect)
}

/// Undoes a block's escapes.
fn unescape(text: &str) -> Cow<'_, str> {
    stompbox_proto::unescape(text, Dialect::V1_2)
}

/// What the head of a message came to, for later ones with the same head and length of body.
#[derive(Debug)]
pub struct Template {
    /// A block up to its body.
    head: Box<[u8]>,
    body_length: usize,
    destination_end: usize,
    escaped: bool,
    has_cr: bool,
    persistent: bool,
    priority: u8,
}

impl Template {
    /// The message of a body; `None` if the body is not as long as that of the first.
    #[inline]
    pub fn message(&self, body: &[u8]) -> Option<Message> {
        if body.len() != self.body_length {
            return None;
        }
        let mut block = Vec::with_capacity(self.head.len() + body.len() + 1);
        block.extend_from_slice(&self.head);
        block.extend_from_slice(body);
        block.push(0);
        Some(Message {
            block,
            body_start: self.head.len(),
            destination_end: self.destination_end,
            escaped: self.escaped,
            has_cr: self.has_cr,
            text: AtomicU8::new(0),
            persistent: self.persistent,
            priority: self.priority,
            expires: 0,
            extras: None,
            plain: OnceLock::new(),
        })
    }
}

/// Writes a message's block.
struct Builder {
    block: Vec<u8>,
    destination_end: usize,
    escaped: bool,
    has_cr: bool,
}

impl Builder {
    fn new(destination: &str, capacity: usize) -> Self {
        let mut builder = Self {
            block: Vec::with_capacity(capacity),
            destination_end: 0,
            escaped: false,
            has_cr: false,
        };
        builder.header("destination", destination);
        builder.destination_end = builder.block.len() - 1;
        builder
    }

    fn header(&mut self, name: &str, value: &str) {
        self.text(name);
        self.block.push(b':');
        self.text(value);
        self.block.push(b'\n');
    }

    /// A header of a frame in which there is no backslash and no CR.
    #[inline]
    fn plain_header(&mut self, name: &str, value: &str) {
        self.block.extend_from_slice(name.as_bytes());
        self.block.push(b':');
        // A colon may stand in a value as it is, and is escaped all the same.
        if memchr::memchr(b':', value.as_bytes()).is_some() {
            self.text(value);
        } else {
            self.block.extend_from_slice(value.as_bytes());
        }
        self.block.push(b'\n');
    }

    fn text(&mut self, text: &str) {
        let special = |b: &u8| matches!(b, b'\\' | b':' | b'\n' | b'\r');
        if !text.as_bytes().iter().any(special) {
            self.block.extend_from_slice(text.as_bytes());
            return;
        }
        self.escaped = true;
        self.has_cr |= text.contains('\r');
        // Only a NUL can't be written, and none comes out of a frame's head.
        if let Ok(text) = escape(text, Dialect::V1_2) {
            self.block.extend_from_slice(text.as_bytes());
        }
    }

    fn build(mut self, body: &[u8], headers: SendHeaders) -> Message {
        if !body.is_empty() {
            self.block.extend_from_slice(b"content-length:");
            write_number(&mut self.block, body.len() as u64);
            self.block.push(b'\n');
        }
        self.block.push(b'\n');
        let body_start = self.block.len();
        self.block.reserve_exact(body.len() + 1);
        self.block.extend_from_slice(body);
        self.block.push(0);
        Message {
            block: self.block,
            body_start,
            destination_end: self.destination_end,
            escaped: self.escaped,
            has_cr: self.has_cr,
            text: AtomicU8::new(0),
            persistent: headers.persistent,
            priority: headers.priority,
            expires: headers.expires,
            extras: headers.extras,
            plain: OnceLock::new(),
        }
    }
}

/// A message in one queue, or on its way to one consumer.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its place among all messages: also the number of its `message-id`.
    pub(crate) sequence: u64,
    /// `None`: paged out to the store.
    pub(crate) message: Option<Arc<Message>>,
    /// Bytes as [`Message::size`] counts, also of one that is paged out.
    pub(crate) size: u32,
    /// How often it was handed out before.
    pub(crate) deliveries: u32,
    /// How often it was refused by `NACK`.
    pub(crate) failures: u16,
    pub(crate) priority: u8,
    /// When it is worth nothing any more; 0: never.
    pub(crate) expires: Time,
    /// Where its `Put` is among the store's operations; 0: it has none.
    pub(crate) stored: u64,
    /// When it came, in seconds since 1970: of what a restart found, the restart. 0: not known.
    pub(crate) arrived: u32,
}

impl Entry {
    /// Its place among those of its queue that expire.
    pub(crate) fn expiry(&self) -> (Time, u8, u64) {
        (self.expires, self.priority, self.sequence)
    }
}
