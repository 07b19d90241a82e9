//! A browser's WebSocket: mostly a message for each frame, text if the frame is UTF-8.

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::{Future as _, poll_fn},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::BytesMut;
use js_sys::{Array, ArrayBuffer, Uint8Array};
use stompbox_proto::Limits;
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use web_sys::{BinaryType, CloseEvent, MessageEvent};

use super::{Incoming, Transport, messages::Cutter};
use crate::{
    ConnectError,
    batch::Batch,
    options::Server,
    runtime::{self, Sleep},
};

/// Bytes that the browser may have to send, beyond which the next frame waits.
const SEND_PAUSE: u32 = 1 << 20;

/// How long until it is looked whether the browser has sent some; it tells nobody.
const LOOK: Duration = Duration::from_millis(10);

/// Bytes of messages that may wait for the program beside the largest one. A browser reads whether
/// the page keeps up or not: beyond this the connection is given up.
const WAITING: usize = 16 << 20;

/// The close code of an end that was meant.
const NORMAL_CLOSURE: u16 = 1000;

#[derive(Default)]
struct State {
    incoming: VecDeque<Vec<u8>>,
    /// Bytes in `incoming`.
    waiting: usize,
    most: usize,
    is_open: bool,
    is_over_limit: bool,
    closed: Option<(u16, String)>,
    waker: Option<Waker>,
}

/// Frames over a WebSocket.
pub(crate) struct WebSocket {
    socket: web_sys::WebSocket,
    state: Rc<RefCell<State>>,
    pause: Option<Pin<Box<Sleep>>>,
    cutter: Cutter,
    _callbacks: Callbacks,
}

struct Callbacks {
    _open: Closure<dyn FnMut()>,
    _close: Closure<dyn FnMut(CloseEvent)>,
    _message: Closure<dyn FnMut(MessageEvent)>,
}

impl WebSocket {
    /// Opens one, and waits until it is open.
    pub(crate) async fn open(
        server: &Server,
        protocols: &[&str],
        limits: &Limits,
        split: Option<usize>,
    ) -> Result<Box<dyn Transport>, ConnectError> {
        let failed = |problem: String| ConnectError::WebSocket {
            address: server.place.to_string(),
            source: problem.into(),
        };
        let url = server.websocket.as_ref().map(ToString::to_string);
        let url = url.unwrap_or_default();
        let protocols: Array = protocols.iter().map(|p| JsValue::from_str(p)).collect();
        let socket = web_sys::WebSocket::new_with_str_sequence(&url, &protocols)
            .map_err(|error| failed(format!("{error:?}")))?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let state = Rc::new(RefCell::new(State {
            most: limits.head + limits.body + WAITING,
            ..State::default()
        }));
        let callbacks = listen(&socket, &state);
        let this = Self {
            socket,
            state,
            pause: None,
            cutter: Cutter::new(split),
            _callbacks: callbacks,
        };
        let opened = poll_fn(|cx| {
            let mut state = this.state.borrow_mut();
            if let Some((code, reason)) = &state.closed {
                // A browser tells a page no more.
                return Poll::Ready(Err(format!("it was closed with code {code} {reason:?}")));
            }
            if state.is_open {
                return Poll::Ready(Ok(()));
            }
            state.waker = Some(cx.waker().clone());
            Poll::Pending
        });
        opened.await.map_err(failed)?;
        Ok(Box::new(this))
    }
}

fn listen(socket: &web_sys::WebSocket, state: &Rc<RefCell<State>>) -> Callbacks {
    let on = |change: fn(&mut State)| {
        let state = Rc::clone(state);
        move || tell(&state, change)
    };
    let open = Closure::<dyn FnMut()>::new(on(|state| state.is_open = true));
    socket.set_onopen(Some(open.as_ref().unchecked_ref()));
    let shared = Rc::clone(state);
    let close = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
        tell(&shared, |state| {
            state.closed = Some((event.code(), event.reason()));
        });
    });
    socket.set_onclose(Some(close.as_ref().unchecked_ref()));
    let shared = Rc::clone(state);
    let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let data = event.data();
        let bytes = match data.as_string() {
            Some(text) => text.into_bytes(),
            None => data
                .dyn_ref::<ArrayBuffer>()
                .map_or_else(Vec::new, |buffer| Uint8Array::new(buffer).to_vec()),
        };
        tell(&shared, |state| {
            if state.waiting + bytes.len() > state.most {
                state.is_over_limit = true;
            } else if !state.is_over_limit {
                state.waiting += bytes.len();
                state.incoming.push_back(bytes);
            }
        });
    });
    socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
    Callbacks {
        _open: open,
        _close: close,
        _message: message,
    }
}

fn tell(state: &Rc<RefCell<State>>, change: impl FnOnce(&mut State)) {
    let waker = {
        let mut state = state.borrow_mut();
        change(&mut state);
        state.waker.take()
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl Transport for WebSocket {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut BytesMut,
    ) -> Poll<io::Result<Incoming>> {
        let mut state = self.state.borrow_mut();
        if let Some(message) = state.incoming.pop_front() {
            state.waiting -= message.len();
            into.extend_from_slice(&message);
            return Poll::Ready(Ok(Incoming::Bytes));
        }
        if state.is_over_limit {
            return Poll::Ready(Ok(Incoming::TooBig));
        }
        if let Some((code, _)) = &state.closed {
            return Poll::Ready(Ok(match *code {
                NORMAL_CLOSURE => Incoming::Farewell,
                _ => Incoming::End,
            }));
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let Some(frame) = batch.frame() else {
                return Poll::Ready(Ok(()));
            };
            if self.state.borrow().closed.is_some() {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if self.socket.buffered_amount() > SEND_PAUSE {
                self.pause = Some(Box::pin(runtime::sleep(LOOK)));
                continue;
            }
            let (part, is_text) = self.cutter.cut(frame);
            let sent = match std::str::from_utf8(part) {
                Ok(text) if is_text => self.socket.send_with_str(text),
                _ => self.socket.send_with_u8_array(part),
            };
            sent.map_err(|error| io::Error::other(format!("{error:?}")))?;
            let length = part.len();
            batch.advance(length);
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<()> {
        let _ = self.socket.close();
        Poll::Ready(())
    }
}

impl Drop for WebSocket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onclose(None);
        self.socket.set_onmessage(None);
        // One that is closed already stays so.
        let _ = self.socket.close();
    }
}
