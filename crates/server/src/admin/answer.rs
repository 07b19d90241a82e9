//! Answers, and what can be wrong with a request.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use serde_json::{Value, json};
use stompbox_broker::BrokerError;

pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A request that is not done, or not all of it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    /// For programs.
    pub(super) code: &'static str,
    /// What was wrong, and where.
    pub(super) message: String,
    /// What was done before it.
    pub(super) done: Option<(&'static str, u64)>,
    /// A header that belongs to the answer.
    pub(super) header: Option<(HeaderName, &'static str)>,
}

impl Fault {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            done: None,
            header: None,
        }
    }

    pub(super) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn missing(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }

    pub(super) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    /// Says how much was done before it.
    pub(super) fn after(mut self, what: &'static str, count: u64) -> Self {
        self.done = Some((what, count));
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let mut body = json!({ "error": self.code, "message": self.message });
        if let (Some((what, count)), Some(body)) = (self.done, body.as_object_mut()) {
            body.insert(what.into(), count.into());
        }
        let mut response = json(&body);
        *response.status_mut() = self.status;
        if let Some((name, value)) = self.header {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<BrokerError> for Fault {
    fn from(error: BrokerError) -> Self {
        let status = match error.code() {
            "no-such-destination" => StatusCode::NOT_FOUND,
            "access-denied" => StatusCode::FORBIDDEN,
            "precondition-failed"
            | "durable-subscription"
            | "queue-full"
            | "too-many"
            | "in-use" => StatusCode::CONFLICT,
            "memory-full" | "storage-full" | "store-failed" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, error.code(), error.to_string())
    }
}

/// An answer in JSON.
pub(super) fn json(value: &Value) -> Response<Body> {
    let mut text = value.to_string();
    text.push('\n');
    with_type(text, "application/json")
}

/// An answer in plain text.
pub(super) fn text(text: impl Into<String>) -> Response<Body> {
    with_type(text.into(), "text/plain; charset=utf-8")
}

/// An answer of that type.
pub(super) fn with_type(body: String, kind: &'static str) -> Response<Body> {
    of(Full::from(body).boxed_unsync(), kind)
}

/// An answer whose body comes by and by.
pub(super) fn of(body: Body, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        // What is in it is of now, and not for everybody.
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Nobody is to run what a client put into a name.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
