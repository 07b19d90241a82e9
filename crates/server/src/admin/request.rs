//! What a request says: its query, and its body.

use std::{collections::BTreeMap, str::FromStr};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::time;

use super::{PATIENCE, answer::Fault};

/// The parameters behind a path's `?`. Each is to be taken; what is left nobody knows.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a request's.
    pub(super) fn of<B>(request: &Request<B>) -> Result<Self, Fault> {
        let text = request.uri().query().unwrap_or_default();
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if parameters.contains_key(&*name) {
                return Err(Fault::bad(
                    "parameter",
                    format!("The parameter {:?} is there twice.", cut(&name)),
                ));
            }
            parameters.insert(name.into_owned(), value.into_owned());
        }
        Ok(Self(parameters))
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|text| !text.is_empty())
    }

    /// Takes a text that must be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<String, Fault> {
        self.text(name)
            .ok_or_else(|| Fault::bad("parameter", format!("The parameter {name:?} is missing.")))
    }

    /// Takes a value.
    pub(super) fn parse<T: FromStr>(
        &mut self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Fault::bad(
                "parameter",
                format!(
                    "The parameter {name:?} is {:?}, expected {expected}.",
                    cut(&text)
                ),
            )),
        }
    }

    /// Takes how many items are wanted, which is between 1 and `most`.
    pub(super) fn limit(&mut self, default: usize, most: usize) -> Result<usize, Fault> {
        let expected = format!("a number from 1 to {most}");
        match self.parse("limit", &expected)? {
            None => Ok(default),
            Some(limit) if (1..=most).contains(&limit) => Ok(limit),
            Some(limit) => Err(Fault::bad(
                "parameter",
                format!("The parameter \"limit\" is {limit}, expected {expected}."),
            )),
        }
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Fault> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Fault::bad(
                "parameter",
                format!("There is no parameter {:?} here.", cut(name)),
            )),
        }
    }
}

/// The bytes of a request's body.
async fn bytes(request: Request<Incoming>, most: usize) -> Result<Bytes, Fault> {
    let body = Limited::new(request.into_body(), most).collect();
    match time::timeout(PATIENCE, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Fault::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            format!("The body is longer than {most} bytes."),
        )),
        Ok(Err(_)) => Err(Fault::bad("body", "The body ended before its end.")),
        Err(_) => Err(Fault::new(
            StatusCode::REQUEST_TIMEOUT,
            "too-slow",
            format!("The body took longer than {} s.", PATIENCE.as_secs()),
        )),
    }
}

/// A request's body, which is JSON.
pub(super) async fn body<T: DeserializeOwned>(
    request: Request<Incoming>,
    most: usize,
) -> Result<T, Fault> {
    read(&bytes(request, most).await?)
}

/// The same, but it may be empty.
pub(super) async fn body_or_default<T: DeserializeOwned + Default>(
    request: Request<Incoming>,
    most: usize,
) -> Result<T, Fault> {
    match bytes(request, most).await? {
        bytes if bytes.is_empty() => Ok(T::default()),
        bytes => read(&bytes),
    }
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|error| {
        // Without what the parser quotes beyond reason.
        let reason: String = error.to_string().chars().take(200).collect();
        Fault::bad("json", format!("The body is not as expected: {reason}."))
    })
}

/// As much of a text as an error repeats.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}
