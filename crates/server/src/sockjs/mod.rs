//! SockJS, by which pages come in where no WebSocket gets through: the protocol 0.3.3 with the
//! transports `websocket`, `xhr_streaming`, `xhr`, `eventsource`, and the bare WebSocket.
//!
//! A session is a WebSocket that exists only within this process: `connection::serve` has one end of
//! it, and the requests that come for the session put the other one together.

mod frames;
mod receive;
mod session;
mod socket;
mod strings;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use password_hash::rand_core::{OsRng, RngCore as _};
use serde_json::json;
use tokio::{sync::OwnedSemaphorePermit, time};

pub(crate) use self::{session::Sessions, socket::serve};

use self::{
    receive::{Kind, Receive},
    session::{Sender, Session, Unsent},
    strings::Strings,
};
use crate::{
    connection::Shared,
    http::{Body, Came, full, text},
    origin,
    peer::Transport,
};

/// Bytes of a request that are held until all of it is known to be JSON. What is longer is taken as it
/// comes, and one that breaks off then costs its session.
const HELD: usize = 64 << 10;

/// What a path below the prefix asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Greeting,
    Info,
    /// The bare WebSocket, without SockJS's frames.
    Raw,
    /// A WebSocket with them.
    Socket,
    Receive(Box<str>, Kind),
    Send(Box<str>),
}

impl Place {
    /// What is there; none: not ours.
    pub(crate) fn of(path: &str, prefix: Option<&str>) -> Option<Self> {
        let rest = path.strip_prefix(prefix?)?;
        if rest.is_empty() || rest == "/" {
            return Some(Self::Greeting);
        }
        let mut parts = rest.strip_prefix('/')?.split('/');
        match (parts.next()?, parts.next(), parts.next(), parts.next()) {
            ("info", None, None, None) => Some(Self::Info),
            ("websocket", None, None, None) => Some(Self::Raw),
            (server, Some(session), Some(transport), None)
                if is_name(server) && is_name(session) =>
            {
                match transport {
                    "websocket" => Some(Self::Socket),
                    "xhr" => Some(Self::Receive(session.into(), Kind::Polling)),
                    "xhr_streaming" => Some(Self::Receive(session.into(), Kind::Streaming)),
                    "eventsource" => Some(Self::Receive(session.into(), Kind::EventSource)),
                    "xhr_send" => Some(Self::Send(session.into())),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn method(&self) -> Method {
        match self {
            Self::Receive(_, Kind::Polling | Kind::Streaming) | Self::Send(_) => Method::POST,
            _ => Method::GET,
        }
    }
}

/// The names of servers and sessions, which clients make up.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 128 && !name.contains('.')
}

/// Answers a request for a place, but for those of WebSockets.
pub(crate) async fn respond(
    shared: &Arc<Shared>,
    permit: &Arc<OwnedSemaphorePermit>,
    came: Came,
    place: Place,
    request: Request<Incoming>,
) -> Response<Body> {
    if !origin::is_allowed(
        request.headers(),
        &shared.config.allowed_origins,
        came.secure,
    ) {
        return origin::refusal(request.headers());
    }
    let headers = request.headers().clone();
    let mut response = match (request.method(), place.method()) {
        (&Method::OPTIONS, method) => preflight(&headers, &method),
        (given, method) if *given != method => not_allowed(&method),
        _ => match place {
            Place::Greeting => text(StatusCode::OK, "Welcome to SockJS!\n"),
            Place::Info => info(),
            Place::Raw | Place::Socket => text(
                StatusCode::BAD_REQUEST,
                "Can \"Upgrade\" only to \"WebSocket\".",
            ),
            Place::Receive(id, kind) => receive(shared, permit, came, &headers, &id, kind),
            Place::Send(id) => match shared.sockjs.get(&id) {
                Some(session) => {
                    send(&session, request.into_body(), shared.config.write_timeout).await
                }
                None => text(StatusCode::NOT_FOUND, "There is no such session.\n"),
            },
        },
    };
    share(&headers, response.headers_mut());
    response
}

fn info() -> Response<Body> {
    let mut entropy = [0; 4];
    OsRng.fill_bytes(&mut entropy);
    let info = json!({
        "websocket": true,
        "origins": ["*:*"],
        "cookie_needed": false,
        "entropy": u32::from_ne_bytes(entropy),
    });
    let mut response = text(StatusCode::OK, &info.to_string());
    put(
        &mut response,
        header::CONTENT_TYPE,
        "application/json; charset=UTF-8",
    );
    no_store(&mut response);
    response
}

fn preflight(headers: &HeaderMap, method: &Method) -> Response<Body> {
    const YEAR: &str = "31536000";
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let name = header::ACCESS_CONTROL_ALLOW_METHODS;
    put(&mut response, name, with_options(method));
    put(&mut response, header::ACCESS_CONTROL_MAX_AGE, YEAR);
    put(
        &mut response,
        header::CACHE_CONTROL,
        "public, max-age=31536000",
    );
    if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        let name = header::ACCESS_CONTROL_ALLOW_HEADERS;
        response.headers_mut().insert(name, wanted.clone());
    }
    response
}

fn not_allowed(method: &Method) -> Response<Body> {
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("Here {method} works, and OPTIONS.\n"),
    );
    put(&mut response, header::ALLOW, with_options(method));
    response
}

/// What may be asked where that method works.
fn with_options(method: &Method) -> &'static str {
    match *method {
        Method::POST => "OPTIONS, POST",
        _ => "OPTIONS, GET",
    }
}

fn receive(
    shared: &Arc<Shared>,
    permit: &Arc<OwnedSemaphorePermit>,
    came: Came,
    headers: &HeaderMap,
    id: &str,
    kind: Kind,
) -> Response<Body> {
    let via = || came.via(Transport::SockJs, headers);
    let mut response = match shared.sockjs.get_or_begin(shared, id, via, permit) {
        Ok(session) if session.attach() => {
            Response::new(Receive::new(session, kind).boxed_unsync())
        }
        Ok(_) => {
            let taken = frames::close(2010, "Another connection still open");
            Response::new(full(kind.only(&taken).into()))
        }
        Err(session::Full) => {
            let limit = shared.config.max_connections;
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                &format!("There are as many sessions as may be: {limit} (max_connections).\n"),
            );
        }
    };
    put(&mut response, header::CONTENT_TYPE, kind.content_type());
    no_store(&mut response);
    response
}

async fn send(session: &Session, body: Incoming, limit: Duration) -> Response<Body> {
    let mut sender = session.sender().await;
    match take(&mut sender, body, limit).await {
        Ok(()) => {
            let mut response = text(StatusCode::NO_CONTENT, "");
            put(
                &mut response,
                header::CONTENT_TYPE,
                "text/plain; charset=UTF-8",
            );
            response
        }
        Err(Unsent::Empty) => text(StatusCode::INTERNAL_SERVER_ERROR, "Payload expected."),
        Err(Unsent::Over) => text(StatusCode::NOT_FOUND, "The session is over.\n"),
        Err(Unsent::Broken { begun }) => {
            if begun {
                // A frame has come in part, and what it was to become can't be known.
                session.interrupt();
            }
            text(StatusCode::INTERNAL_SERVER_ERROR, "Broken JSON encoding.")
        }
    }
}

/// Takes a request's messages to the session.
async fn take(sender: &mut Sender<'_>, mut body: Incoming, limit: Duration) -> Result<(), Unsent> {
    let mut strings = Strings::default();
    let mut out = Vec::new();
    let (mut is_empty, mut begun) = (true, false);
    let broken = |begun| move |_| Unsent::Broken { begun };
    loop {
        let frame = match time::timeout(limit, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) | Err(_) => return Err(Unsent::Broken { begun }),
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        is_empty &= data.is_empty();
        strings.decode(&data, &mut out).map_err(broken(begun))?;
        if out.len() > HELD {
            begun = true;
            sender.send(&mut out).await?;
        }
    }
    if is_empty {
        return Err(Unsent::Empty);
    }
    let whole = frames::whole(&out).map_err(broken(begun))?;
    if !strings.is_whole() || whole < out.len() {
        return Err(Unsent::Broken { begun });
    }
    sender.send(&mut out).await
}

/// Lets the page read the answer.
fn share(asked: &HeaderMap, headers: &mut HeaderMap) {
    if let Some(origin) = asked.get(header::ORIGIN) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let yes = HeaderValue::from_static("true");
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
    }
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
}

fn no_store(response: &mut Response<Body>) {
    let value = "no-store, no-cache, no-transform, must-revalidate, max-age=0";
    put(response, header::CACHE_CONTROL, value);
}

fn put(response: &mut Response<Body>, name: header::HeaderName, value: &'static str) {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_protocol() {
        let place = |path| Place::of(path, Some("/echo"));
        assert_eq!(place("/echo"), Some(Place::Greeting));
        assert_eq!(place("/echo/"), Some(Place::Greeting));
        assert_eq!(place("/echo/info"), Some(Place::Info));
        assert_eq!(place("/echo/websocket"), Some(Place::Raw));
        assert_eq!(place("/echo/000/abc/websocket"), Some(Place::Socket));
        assert_eq!(
            place("/echo/000/abc/xhr_send"),
            Some(Place::Send("abc".into()))
        );
        let polling = Place::Receive("abc".into(), Kind::Polling);
        assert_eq!(place("/echo/000/abc/xhr"), Some(polling));
        for other in [
            "/",
            "/other",
            "/echoes",
            "/echo/info/",
            "/echo//abc/xhr",
            "/echo/000//xhr",
            "/echo/0.0/abc/xhr",
            "/echo/000/a.c/xhr",
            "/echo/000/abc/jsonp",
            "/echo/000/abc",
            "/echo/000/abc/xhr/",
        ] {
            assert_eq!(place(other), None, "{other}");
        }
        assert_eq!(Place::of("/echo/info", None), None);
    }
}
