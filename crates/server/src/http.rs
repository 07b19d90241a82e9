//! HTTP: the pages, and the upgrade to a WebSocket.

use std::{convert::Infallible, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use sha1_smol::Sha1;
use stompbox_proto::Version;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
};
use tracing::debug;

use crate::{
    assets, connection,
    connection::Shared,
    deflate, origin,
    peer::{Remote, Transport, Via},
    sniff::Rewound,
    sockjs::{self, Place},
};

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// How a request came here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Came {
    /// There is TLS below.
    pub(crate) secure: bool,
    pub(crate) remote: Remote,
}

impl Came {
    /// The client that a request with these headers comes from.
    pub(crate) fn via(self, transport: Transport, headers: &HeaderMap) -> Via {
        Via {
            transport,
            secure: self.secure,
            remote: Some(self.remote),
            agent: agent(headers),
            deflate: false,
        }
    }
}

/// Paths that take a WebSocket; `/stomp/websocket` is where SockJS clients of other servers look.
const WEBSOCKET_PATHS: [&str; 4] = ["/stomp", "/stomp/websocket", "/ws", "/"];

/// RFC 6455, section 1.3.
const HANDSHAKE_ID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Serves one connection, which is `secure` if there is TLS below. The permit is given back when it
/// ends, as a WebSocket too.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    secure: bool,
    remote: Remote,
    permit: OwnedSemaphorePermit,
) {
    let permit = Arc::new(permit);
    let mut stopping = shared.stopping.clone();
    let timeout = shared.config.connect_timeout;
    let service = service_fn(move |request| {
        let (shared, permit) = (Arc::clone(&shared), Arc::clone(&permit));
        let came = Came { secure, remote };
        async move { Ok::<_, Infallible>(respond(shared, permit, came, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = &mut connection => result,
        () = connection::stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, "HTTP connection failed");
    }
}

async fn respond(
    shared: Arc<Shared>,
    permit: Arc<OwnedSemaphorePermit>,
    came: Came,
    request: Request<Incoming>,
) -> Response<Body> {
    let place = Place::of(request.uri().path(), shared.config.sockjs.as_deref());
    if is_upgrade(request.headers()) {
        return upgrade(shared, permit, came, request, place);
    }
    if let Some(place) = place {
        return Box::pin(sockjs::respond(&shared, &permit, came, place, request)).await;
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "Only GET and HEAD work here.\n",
        );
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let path = request.uri().path();
    if path == "/healthz" {
        return text(StatusCode::OK, "ok\n");
    }
    if let Some(response) = assets::get(path) {
        let response = assets::unless_known(response, request.headers());
        return response.map(|body| body.boxed_unsync());
    }
    if WEBSOCKET_PATHS.contains(&path) {
        return text(
            StatusCode::UPGRADE_REQUIRED,
            "STOMP over WebSocket is here: ws://HOST/stomp\n",
        );
    }
    text(StatusCode::NOT_FOUND, "There is nothing here.\n")
}

fn is_upgrade(headers: &HeaderMap) -> bool {
    let upgrade = headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

fn upgrade(
    shared: Arc<Shared>,
    permit: Arc<OwnedSemaphorePermit>,
    came: Came,
    mut request: Request<Incoming>,
    place: Option<Place>,
) -> Response<Body> {
    let is_socket = matches!(place, Some(Place::Raw | Place::Socket));
    if !is_socket && !WEBSOCKET_PATHS.contains(&request.uri().path()) {
        return text(
            StatusCode::NOT_FOUND,
            "STOMP over WebSocket is at /stomp.\n",
        );
    }
    if !origin::is_allowed(
        request.headers(),
        &shared.config.allowed_origins,
        came.secure,
    ) {
        return origin::refusal(request.headers());
    }
    let headers = request.headers();
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .map(HeaderValue::as_bytes)
        != Some(b"13")
    {
        let mut response = text(
            StatusCode::UPGRADE_REQUIRED,
            "WebSocket version 13 is needed.\n",
        );
        let version = HeaderValue::from_static("13");
        response
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_VERSION, version);
        return response;
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key.as_bytes()));
    let whole = *request.method() == Method::GET
        && has_token(headers, header::CONNECTION, "upgrade")
        && headers.contains_key(header::HOST);
    let Some(key) = key.filter(|_| whole) else {
        return text(
            StatusCode::BAD_REQUEST,
            "A WebSocket starts with GET, Host, Connection: Upgrade, and a Sec-WebSocket-Key of 16 \
             bytes in base64 (RFC 6455, section 4.2.1).\n",
        );
    };
    let accept = accept_key(key.as_bytes());
    let subprotocol = highest_subprotocol(headers);
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(version) = subprotocol {
        let name = HeaderValue::from_static(version.subprotocol());
        answer.insert(header::SEC_WEBSOCKET_PROTOCOL, name);
    }
    let transport = match (place, came.secure) {
        (Some(Place::Socket), _) => Transport::SockJs,
        (_, true) => Transport::Wss,
        (_, false) => Transport::Ws,
    };
    let compresses = shared.config.websocket_compression && transport != Transport::SockJs;
    let compression = match compresses {
        true => deflate::agree(headers),
        false => None,
    };
    let mut via = came.via(transport, headers);
    via.deflate = compression.is_some();
    if let Some(compression) = compression {
        answer.insert(header::SEC_WEBSOCKET_EXTENSIONS, compression);
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        match upgraded.await {
            Ok(stream) => run_websocket(shared, stream, via, subprotocol, permit).await,
            Err(error) => debug!(%error, "upgrade failed"),
        }
    });
    response
}

async fn run_websocket(
    shared: Arc<Shared>,
    stream: Upgraded,
    via: Via,
    subprotocol: Option<Version>,
    permit: Arc<OwnedSemaphorePermit>,
) {
    if via.transport == Transport::SockJs {
        sockjs::serve(shared, TokioIo::new(stream), via).await;
        return drop(permit);
    }
    // The socket itself, where it can be had: an idle client then holds nothing of HTTP's.
    let stream = match stream.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            let (stream, first) = (parts.io.into_inner(), parts.read_buf.to_vec());
            return go_on(shared, stream, via, subprotocol, first, permit);
        }
        Err(stream) => stream,
    };
    match stream.downcast::<TokioIo<Rewound<TcpStream>>>() {
        Ok(parts) => {
            let (mut first, stream) = parts.io.into_inner().into_parts();
            first.splice(..0, parts.read_buf);
            go_on(shared, stream, via, subprotocol, first, permit);
        }
        Err(stream) => {
            let stream = TokioIo::new(stream);
            connection::serve(shared, stream, via, subprotocol, Vec::new()).await;
            drop(permit);
        }
    }
}

/// Serves a WebSocket in a task that is as large as that needs.
fn go_on(
    shared: Arc<Shared>,
    stream: TcpStream,
    via: Via,
    subprotocol: Option<Version>,
    first: Vec<u8>,
    permit: Arc<OwnedSemaphorePermit>,
) {
    tokio::spawn(async move {
        connection::serve(shared, stream, via, subprotocol, first).await;
        drop(permit);
    });
}

/// What a client calls itself, as much of it as is kept.
fn agent(headers: &HeaderMap) -> Option<Box<str>> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(agent.chars().take(200).collect::<String>().into())
}

/// RFC 6455, section 4.1: 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16)
}

/// Whether a header that is a list of tokens has that one, in any case.
fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|it| it.trim().eq_ignore_ascii_case(token))
}

fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(HANDSHAKE_ID);
    BASE64_STANDARD.encode(hash.digest().bytes())
}

/// The highest STOMP version among the sub-protocols that the client offers.
fn highest_subprotocol(headers: &HeaderMap) -> Option<Version> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| Version::from_subprotocol(name.trim()))
        .max()
}

pub(crate) fn full(body: Bytes) -> Body {
    Full::new(body).boxed_unsync()
}

pub(crate) fn text(status: StatusCode, body: &str) -> Response<Body> {
    let mut response = Response::new(full(Bytes::copy_from_slice(body.as_bytes())));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        assert_eq!(
            accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }
}
