//! Requests to the admin listener, as bytes.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use stompbox_server::{Admin, Config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::common::LIMIT;

/// A configuration with an admin listener on a free port.
pub(crate) fn with_admin(mut config: Config) -> Config {
    config.admin = Some(Admin::new("127.0.0.1:0".parse().unwrap()));
    config
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The answer's JSON, which is no error's.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// Expects an error with that status and code.
    pub(crate) fn fault(&self, status: u16, code: &str) -> Value {
        let body = self.json();
        assert_eq!(
            (self.status, body["error"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
        assert!(body["message"].as_str().is_some_and(|it| it.len() > 5));
        body
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// One who asks.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    address: SocketAddr,
    headers: String,
}

impl Http {
    pub(crate) fn new(address: Option<SocketAddr>) -> Self {
        Self {
            address: address.expect("an admin listener"),
            headers: String::new(),
        }
    }

    /// The same with a header more.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut this = self.clone();
        this.headers.push_str(&format!("{name}: {value}\r\n"));
        this
    }

    pub(crate) fn login(&self, login: &str, passcode: &str) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{login}:{passcode}"));
        self.with("Authorization", &format!("Basic {pair}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "").await
    }

    /// A request that changes something.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let this = self.with("X-Stompbox-Request", "1");
        this.ask("POST", path, &body.to_string()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        let this = self.with("X-Stompbox-Request", "1");
        this.ask("DELETE", path, "").await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        let host = match self.headers.contains("Host:") {
            true => String::new(),
            false => format!("Host: {}\r\n", self.address),
        };
        let headers = &self.headers;
        let length = body.len();
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\n{host}{headers}Content-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        ))
        .await
    }

    pub(crate) async fn raw(&self, request: &str) -> Answer {
        let mut stream = self.open(request).await;
        let mut bytes = Vec::new();
        // A server that refuses may reset what it did not read.
        let _ = timeout(LIMIT, stream.read_to_end(&mut bytes))
            .await
            .expect("an answer");
        let text = String::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        Answer {
            status: status.parse().unwrap_or_else(|_| panic!("{text:?}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// Sends something and leaves the connection open.
    pub(crate) async fn open(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // It may have had enough before all is sent.
        let _ = stream.write_all(request.as_bytes()).await;
        stream
    }

    /// Follows events; ready when they come.
    pub(crate) async fn follow(&self, query: &str) -> Feed {
        let (host, headers) = (self.address, &self.headers);
        let request =
            format!("GET /api/v1/events{query} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        let mut feed = Feed {
            stream: self.open(&request).await,
            buffer: Vec::new(),
        };
        while !feed.text().contains("\r\n\r\n") {
            assert!(feed.read().await, "no head: {:?}", feed.text());
        }
        assert!(feed.text().starts_with("HTTP/1.1 200"), "{}", feed.text());
        feed
    }
}

/// Events as they come.
pub(crate) struct Feed {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Feed {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }

    async fn read(&mut self) -> bool {
        let mut chunk = [0; 4096];
        let read = timeout(LIMIT, self.stream.read(&mut chunk))
            .await
            .expect("an event");
        let length = read.unwrap_or(0);
        self.buffer.extend_from_slice(&chunk[..length]);
        length > 0
    }

    /// The next event; `None` at the end. Lines of other things, HTTP's among them, are passed over.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.buffer.iter().position(|it| *it == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if let Ok(event @ Value::Object(_)) = serde_json::from_slice(&line) {
                    return Some(event);
                }
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// The next event of that kind.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await.expect("an event before the end");
            if event["kind"] == kind {
                return event;
            }
        }
    }
}
