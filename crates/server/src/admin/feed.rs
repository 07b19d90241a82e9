//! Events as they come.

use std::{collections::BTreeSet, convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, channel::Channel};
use serde_json::json;
use tokio::{sync::broadcast::error::RecvError, time};

use super::{
    State,
    answer::{self, Body, Fault},
    request::{Query, cut},
};
use crate::{connection, events::KINDS};

/// How often a reader is told nothing, so that it knows the server is there.
const ALIVE: Duration = Duration::from_secs(15);

/// How many lines wait beyond what HTTP has taken.
const AHEAD: usize = 16;

pub(super) fn answer(state: &State, mut query: Query) -> Result<Response<Body>, Fault> {
    let kinds = query.text("kinds");
    query.end()?;
    let kinds = kinds.as_deref().map(wanted).transpose()?;
    let Ok(permit) = Arc::clone(&state.followers).try_acquire_owned() else {
        let message = "As many follow events as may.";
        return Err(Fault::unavailable("too-many-readers", message));
    };
    let shared = Arc::clone(&state.shared);
    let mut events = shared.hub.events.subscribe();
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(AHEAD);
    tokio::spawn(async move {
        let _permit = permit;
        let mut stopping = shared.stopping.clone();
        // The head of the answer goes out with the first bytes.
        let mut line = Bytes::from_static(b"\n");
        loop {
            // A client that takes nothing keeps this waiting, and misses what comes meanwhile.
            if sender.send_data(line).await.is_err() {
                return;
            }
            line = loop {
                let next = tokio::select! {
                    biased;
                    next = time::timeout(ALIVE, events.recv()) => next,
                    () = connection::stopped(&mut stopping) => return,
                };
                match next {
                    Err(_) => break Bytes::from_static(b"\n"),
                    Ok(Ok(event)) => {
                        if kinds.as_ref().is_none_or(|it| it.contains(event.kind)) {
                            break format!("{}\n", event.json).into();
                        }
                    }
                    Ok(Err(RecvError::Lagged(count))) => {
                        let at = shared.hub.now();
                        let missed = json!({ "at": at, "kind": "missed", "count": count });
                        break format!("{missed}\n").into();
                    }
                    Ok(Err(RecvError::Closed)) => return,
                }
            };
        }
    });
    Ok(answer::of(body.boxed_unsync(), "application/x-ndjson"))
}

/// A list of kinds; that something was missed is always told.
fn wanted(list: &str) -> Result<BTreeSet<&'static str>, Fault> {
    let mut kinds = BTreeSet::from(["missed"]);
    for name in list.split(',') {
        let known = KINDS.into_iter().find(|known| *known == name);
        kinds.insert(known.ok_or_else(|| {
            let (name, all) = (cut(name), KINDS.join(", "));
            Fault::bad(
                "parameter",
                format!("There is no kind {name:?} of events; there are {all}."),
            )
        })?);
    }
    Ok(kinds)
}
