//! Talking to the admin listener: HTTP/1.1 and JSON.

use std::{error::Error, io, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    error::ApiError,
    place::{Place, Way},
};
use crate::{args::Admin, exit::Failure};

/// No answer is longer: pages have at most some thousand items.
const LONGEST_ANSWER: usize = 64 << 20;
/// No line of a stream is longer.
const LONGEST_LINE: usize = 1 << 20;
/// What is escaped in a part of a path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// What is escaped in a query.
const IN_QUERY: &AsciiSet = &IN_PATH.remove(b'/');

/// An admin listener. The connection is kept for the next call.
pub(crate) struct Api {
    place: Place,
    timeout: Duration,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Api {
    /// Nothing is sent yet.
    pub(crate) fn of(args: &Admin) -> Result<Self, Failure> {
        Ok(Self {
            place: Place::of(args)?,
            timeout: args.timeout,
            sender: None,
        })
    }

    /// Where it is, for people.
    pub(crate) fn url(&self) -> &str {
        &self.place.url
    }

    /// Lets go of the connection, where so much time has passed that the listener may have closed it.
    /// What is not to be done twice is not tried again on a new one.
    pub(crate) fn let_go(&mut self) {
        self.sender = None;
    }

    /// Asks for something below `/api/v1`.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Value, ApiError> {
        self.call(Method::GET, path, None).await
    }

    /// Has something done.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Value, ApiError> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Has something removed.
    pub(crate) async fn delete(
        &mut self,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        self.call(Method::DELETE, path, body).await
    }

    /// Asks for objects without end, one a line.
    pub(crate) async fn lines(&mut self, path: &str) -> Result<Lines, ApiError> {
        let answer = self.answer(Method::GET, path, None).await?;
        if !answer.status().is_success() {
            let status = answer.status();
            let body = self.in_time(self.whole(answer)).await?;
            return Err(self.refusal(status, &body));
        }
        Ok(Lines {
            url: self.place.url.clone(),
            // The request's side must stay: without it hyper ends the connection.
            _sender: self.sender.take(),
            body: answer.into_body(),
            buffer: BytesMut::new(),
        })
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, ApiError> {
        let answer = self.answer(method, path, body).await?;
        let status = answer.status();
        let body = self.in_time(self.whole(answer)).await?;
        if !status.is_success() {
            return Err(self.refusal(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| self.strange(format!("no JSON: {error}")))
    }

    async fn answer(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, ApiError> {
        let reused = self.sender.as_ref().is_some_and(|it| !it.is_closed());
        let sender = match self.sender.take().filter(|it| !it.is_closed()) {
            Some(sender) => sender,
            None => self.in_time(self.connect()).await?,
        };
        let request = self.request(&method, path, body)?;
        match self.in_time(self.send(sender, request)).await {
            Ok((sender, answer)) => {
                self.sender = Some(sender);
                Ok(answer)
            }
            // The listener may have closed what was idle. To ask twice does no harm.
            Err(ApiError::Lost { .. }) if reused && method == Method::GET => {
                let sender = self.in_time(self.connect()).await?;
                let request = self.request(&method, path, body)?;
                let (sender, answer) = self.in_time(self.send(sender, request)).await?;
                self.sender = Some(sender);
                Ok(answer)
            }
            Err(error) => Err(error),
        }
    }

    async fn send(
        &self,
        mut sender: SendRequest<Full<Bytes>>,
        request: Request<Full<Bytes>>,
    ) -> Result<(SendRequest<Full<Bytes>>, Response<Incoming>), ApiError> {
        let wrong = |error: hyper::Error| match error.is_parse() {
            true => self.strange(error.to_string()),
            false => ApiError::Lost {
                url: self.place.url.clone(),
                source: Box::new(error),
            },
        };
        sender.ready().await.map_err(wrong)?;
        let answer = sender.send_request(request).await.map_err(wrong)?;
        Ok((sender, answer))
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>, ApiError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/api/v1{path}", self.place.path))
            .header(HOST, &self.place.host)
            .header(ACCEPT, "application/json, application/x-ndjson");
        if method != Method::GET {
            request = request.header("x-stompbox-request", "1");
        }
        if let Some(authorization) = &self.place.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let body = match body {
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
            None => Bytes::new(),
        };
        request.body(Full::new(body)).map_err(|e| self.broken(e))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ApiError> {
        match &self.place.way {
            Way::Unix(path) => {
                let stream = UnixStream::connect(path).await;
                self.shake_hands(stream.map_err(|e| self.broken(e))?).await
            }
            Way::Tcp { host, port, .. } => {
                let stream = TcpStream::connect((&**host, *port)).await;
                let stream = stream.map_err(|e| self.broken(e))?;
                // Calls are small, and one waits for the other.
                stream.set_nodelay(true).map_err(|e| self.broken(e))?;
                match &self.place.tls {
                    None => self.shake_hands(stream).await,
                    Some((config, name)) => {
                        let connector = TlsConnector::from(config.clone());
                        let stream = connector.connect(name.clone(), stream).await;
                        self.shake_hands(stream.map_err(|e| self.broken(e))?).await
                    }
                }
            }
        }
    }

    async fn shake_hands<S>(&self, stream: S) -> Result<SendRequest<Full<Bytes>>, ApiError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(error))?;
        // Its errors are those of the request too.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn whole(&self, answer: Response<Incoming>) -> Result<Bytes, ApiError> {
        match Limited::new(answer.into_body(), LONGEST_ANSWER)
            .collect()
            .await
        {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(self.strange(format!("more than {LONGEST_ANSWER} bytes")))
            }
            Err(error) => Err(ApiError::Lost {
                url: self.place.url.clone(),
                source: error,
            }),
        }
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, ApiError> {
        match timeout(self.timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(ApiError::Timeout {
                url: self.place.url.clone(),
                after: self.timeout,
            }),
        }
    }

    fn broken(&self, error: impl Error + Send + Sync + 'static) -> ApiError {
        ApiError::Connect {
            url: self.place.url.clone(),
            source: Box::new(error),
        }
    }

    fn strange(&self, what: String) -> ApiError {
        ApiError::Answer {
            url: self.place.url.clone(),
            what,
        }
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> ApiError {
        let said = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
        match (text("error"), text("message")) {
            (code, Some(message)) => ApiError::Status {
                status,
                code: code.unwrap_or_default(),
                message,
                said,
            },
            // Some other program's 404 is not the broker's word that there is no such thing.
            _ => self.strange(format!("status {status}")),
        }
    }
}

/// Objects without end, one a line.
pub(crate) struct Lines {
    url: String,
    _sender: Option<SendRequest<Full<Bytes>>>,
    body: Incoming,
    buffer: BytesMut,
}

impl Lines {
    /// The next line, which is empty if it is to show that the listener is there. `None` at the end.
    /// May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&octet| octet == b'\n') {
                let line = self.buffer.split_to(end).freeze();
                self.buffer.advance(1);
                return Ok(Some(line));
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(ApiError::Answer {
                    url: self.url.clone(),
                    what: format!("a line of more than {LONGEST_LINE} bytes"),
                });
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    return Err(ApiError::Lost {
                        url: self.url.clone(),
                        source: Box::new(io::Error::other(error)),
                    });
                }
            }
        }
    }
}

/// A path with a query of those pairs that have a value.
pub(crate) fn query(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut out = path.to_owned();
    let mut before = '?';
    for (name, value) in pairs {
        if let Some(value) = value {
            out.push(before);
            out.push_str(name);
            out.push('=');
            out.extend(utf8_percent_encode(value, IN_QUERY));
            before = '&';
        }
    }
    out
}

/// A part of a path.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, IN_PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped() {
        let pairs = [
            ("a", Some("/queue/x y&z=\u{e4}*")),
            ("b", None),
            ("c", Some("1")),
        ];
        assert_eq!(query("/d", &pairs), "/d?a=/queue/x%20y%26z%3D%C3%A4%2A&c=1");
        assert_eq!(query("/d", &[]), "/d");
        assert_eq!(segment("a/b.c?"), "a%2Fb.c%3F");
    }
}
