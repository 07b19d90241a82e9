//! What a request receives by: a response that goes on, or that ends with the first frame.

use std::{
    convert::Infallible,
    future::Future as _,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{self, Instant, Sleep};

use super::{frames, session::Session};

/// How often a client that gets nothing gets a sign of life.
pub(super) const HEART_BEAT: Duration = Duration::from_secs(25);

/// Bytes after which a response ends, since some clients keep all of it.
const LONGEST: usize = 128 << 10;

/// How frames are put into a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One frame, and the client asks again.
    Polling,
    /// A line for each.
    Streaming,
    /// Server-sent events.
    EventSource,
}

impl Kind {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Polling | Self::Streaming => "application/javascript; charset=UTF-8",
            Self::EventSource => "text/event-stream; charset=UTF-8",
        }
    }

    /// What comes before all frames: some clients show nothing before they have so much.
    fn prelude(self) -> String {
        match self {
            Self::Polling => String::new(),
            Self::Streaming => format!("{}\n", "h".repeat(2048)),
            Self::EventSource => "\r\n".into(),
        }
    }

    fn wrap(self, frame: &str) -> String {
        match self {
            Self::Polling | Self::Streaming => format!("{frame}\n"),
            // JSON has no line ends.
            Self::EventSource => format!("data: {frame}\r\n\r\n"),
        }
    }

    /// A whole response, with one frame.
    pub(super) fn only(self, frame: &str) -> String {
        self.prelude() + &self.wrap(frame)
    }
}

/// The body of such a response. One that is dropped before its end was cut off.
pub(super) struct Receive {
    session: Arc<Session>,
    kind: Kind,
    sent: usize,
    heart_beat: Pin<Box<Sleep>>,
    /// Its last frame is out.
    is_done: bool,
}

impl Receive {
    /// `session`: attached to.
    pub(super) fn new(session: Arc<Session>, kind: Kind) -> Self {
        Self {
            session,
            kind,
            sent: 0,
            heart_beat: Box::pin(time::sleep(HEART_BEAT)),
            is_done: false,
        }
    }
}

impl Body for Receive {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        if self.sent == 0 && self.kind != Kind::Polling {
            let prelude = self.kind.prelude();
            self.sent = prelude.len();
            return Poll::Ready(Some(Ok(Frame::data(prelude.into()))));
        }
        let (frame, is_last) = match self.session.poll_frame(cx) {
            Poll::Ready(next) => next,
            Poll::Pending => {
                ready!(self.heart_beat.as_mut().poll(cx));
                (frames::HEART_BEAT.into(), false)
            }
        };
        self.heart_beat.as_mut().reset(Instant::now() + HEART_BEAT);
        let out = self.kind.wrap(&frame);
        self.sent += out.len();
        if is_last || self.kind == Kind::Polling || self.sent >= LONGEST {
            self.is_done = true;
            self.session.detach();
        }
        Poll::Ready(Some(Ok(Frame::data(out.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_done
    }
}

impl Drop for Receive {
    fn drop(&mut self) {
        if !self.is_done {
            self.session.interrupt();
        }
    }
}
