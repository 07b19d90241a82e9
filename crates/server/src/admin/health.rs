//! Whether the server takes clients.

use std::sync::atomic::Ordering;

use http::{Response, StatusCode};
use serde_json::json;
use stompbox_broker::BrokerError;

use super::{
    State,
    answer::{self, Body, Fault},
};

/// 200, or 503 with the reason.
pub(super) fn ready(state: &State) -> Response<Body> {
    let shared = &state.shared;
    if shared.draining.load(Ordering::Relaxed) {
        return Fault::unavailable("draining", "The server is stopping.").into_response();
    }
    if let Some(gateway) = &shared.gateway {
        let links = gateway.status().connections;
        // Without any that clients share, each has its own, and is told by itself.
        if !links.is_empty() && !links.iter().any(|it| it.up) {
            let message = "No broker behind this front can be reached.";
            return Fault::unavailable("upstream-unavailable", message).into_response();
        }
    }
    let now = shared.hub.now();
    let storage = shared.hub.inspect(|broker, _| broker.check_storage(now));
    match storage {
        Ok(()) => answer::json(&json!({ "ready": true })),
        Err(BrokerError::StoreFailed { reason }) => {
            Fault::unavailable("store-failed", reason).into_response()
        }
        Err(error) => Fault::new(
            StatusCode::SERVICE_UNAVAILABLE,
            error.code(),
            error.to_string(),
        )
        .into_response(),
    }
}
