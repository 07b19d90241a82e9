//! Which request is for what.

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::{
    State,
    answer::{self, Body, Fault},
    connections, destinations, durable, feed,
    gate::{self, From},
    health, messages, metrics, overview,
    request::{Query, cut},
};
use crate::{Role, assets};

/// What there is to ask for.
#[derive(Clone, Copy)]
enum Target<'a> {
    Me,
    Overview,
    Gateway,
    Connections,
    Connection(&'a str),
    Destinations,
    Destination,
    Messages,
    Purge,
    Move,
    Replay,
    Publish,
    DurableSubscriptions,
    DurableSubscription(&'a str),
    Events,
}

impl<'a> Target<'a> {
    /// What a path below `/api/v1/` is.
    fn of(path: &'a str) -> Option<Self> {
        Some(match path.split_once('/') {
            None => match path {
                "me" => Self::Me,
                "overview" => Self::Overview,
                "gateway" => Self::Gateway,
                "connections" => Self::Connections,
                "destinations" => Self::Destinations,
                "destination" => Self::Destination,
                "messages" => Self::Messages,
                "purge" => Self::Purge,
                "move" => Self::Move,
                "replay" => Self::Replay,
                "publish" => Self::Publish,
                "durable-subscriptions" => Self::DurableSubscriptions,
                "events" => Self::Events,
                _ => return None,
            },
            Some(("connections", id)) => Self::Connection(id),
            Some(("durable-subscriptions", key)) => Self::DurableSubscription(key),
            Some(_) => return None,
        })
    }

    /// The methods that it has, each with who may use it.
    fn methods(self) -> &'static [(Method, Role)] {
        use Role::{Admin, Operator, Viewer};
        match self {
            Self::Me
            | Self::Overview
            | Self::Gateway
            | Self::Destinations
            | Self::Messages
            | Self::DurableSubscriptions
            | Self::Events => &[(Method::GET, Viewer)],
            Self::Connections | Self::Connection(_) => {
                &[(Method::GET, Viewer), (Method::DELETE, Operator)]
            }
            Self::Destination => &[(Method::GET, Viewer), (Method::DELETE, Admin)],
            Self::DurableSubscription(_) => &[(Method::DELETE, Admin)],
            Self::Purge | Self::Move | Self::Replay | Self::Publish => &[(Method::POST, Operator)],
        }
    }
}

/// Answers a request.
pub(super) async fn respond(
    state: &State,
    from: From,
    request: Request<Incoming>,
) -> Response<Body> {
    match try_respond(state, from, request).await {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    }
}

async fn try_respond(
    state: &State,
    from: From,
    request: Request<Incoming>,
) -> Result<Response<Body>, Fault> {
    let headers = request.headers();
    let path = request.uri().path().to_owned();
    let gets = matches!(*request.method(), Method::GET | Method::HEAD);
    match &*path {
        "/healthz" | "/readyz" | "/metrics" if !gets => return Err(not_allowed("GET, HEAD")),
        "/healthz" => return Ok(answer::text("ok\n")),
        "/readyz" => return Ok(health::ready(state)),
        _ => gate::check_host(state, headers)?,
    }
    gate::check_origin(headers, from)?;
    if path == "/metrics" {
        if state.admin.metrics_login {
            gate::role(state, headers, from).await?;
        }
        return metrics::answer(state).await;
    }
    if let Some(page) = assets::admin(&path) {
        if !gets {
            return Err(not_allowed("GET, HEAD"));
        }
        // The page holds nothing: what it shows it asks for, with a login.
        return Ok(assets::unless_known(page, headers).map(|body| body.boxed_unsync()));
    }
    let missing = || Fault::missing("no-such-path", format!("There is no {:?}.", cut(&path)));
    let rest = path.strip_prefix("/api/v1/").ok_or_else(missing)?;
    let role = gate::role(state, headers, from).await?;
    let target = Target::of(rest).ok_or_else(missing)?;
    let method = match *request.method() {
        Method::HEAD => &Method::GET,
        ref method => method,
    };
    let methods = target.methods();
    let Some((_, needed)) = methods.iter().find(|(known, _)| known == method) else {
        return Err(not_allowed(match methods {
            [(only, _)] if *only == Method::POST => "POST",
            [(only, _)] if *only == Method::DELETE => "DELETE",
            [_] => "GET, HEAD",
            _ => "GET, HEAD, DELETE",
        }));
    };
    if role < *needed {
        return Err(Fault::new(
            StatusCode::FORBIDDEN,
            "role",
            format!("This needs the role {needed}, and the user's is {role}."),
        ));
    }
    gate::check_proof(method, headers)?;
    let deletes = *method == Method::DELETE;
    let query = Query::of(&request)?;
    match target {
        Target::Me => overview::me(role, query),
        Target::Overview => overview::answer(state, query),
        Target::Gateway => overview::gateway(state, query),
        Target::Connections if deletes => connections::kick_user(state, query, request).await,
        Target::Connections => connections::list(state, query).await,
        Target::Connection(id) if deletes => connections::kick(state, id, query, request).await,
        Target::Connection(id) => connections::one(state, id, query),
        Target::Destinations => destinations::list(state, query).await,
        Target::Destination if deletes => destinations::remove(state, query).await,
        Target::Destination => destinations::one(state, query),
        Target::Messages => messages::browse(state, query).await,
        Target::Purge => messages::purge(state, query, request).await,
        Target::Move => messages::relocate(state, query, request).await,
        Target::Replay => messages::replay(state, query, request).await,
        Target::Publish => messages::publish(state, query, request).await,
        Target::DurableSubscriptions => durable::list(state, query).await,
        Target::DurableSubscription(key) => durable::remove(state, key, query).await,
        Target::Events => feed::answer(state, query),
    }
}

fn not_allowed(allow: &'static str) -> Fault {
    Fault::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method",
        format!("Here only {allow} works."),
    )
    .with_header(header::ALLOW, allow)
}
