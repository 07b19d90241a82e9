//! Who may come in, and do what.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;
use tokio::time;

use super::{PATIENCE, State, answer::Fault};
use crate::Role;

/// Where a request comes from.
#[derive(Clone, Copy)]
pub(super) struct From {
    pub(super) secure: bool,
    pub(super) remote: SocketAddr,
}

/// The header that a page of another origin can't send without asking first, which is never allowed.
const PROOF: &str = "x-stompbox-request";

/// The `Host` is one by which this listener may be asked for: otherwise a page could have its own
/// name lead here, and be of the same origin.
pub(super) fn check_host(state: &State, headers: &HeaderMap) -> Result<(), Fault> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Fault::bad("host", "The request has not exactly one Host."));
    };
    let host = host.to_str().unwrap_or_default();
    let name = name_of(host);
    let known = name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || state
            .admin
            .hosts
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name));
    if known {
        return Ok(());
    }
    let name: String = name.chars().take(80).collect();
    Err(Fault::new(
        StatusCode::FORBIDDEN,
        "host",
        format!(
            "The admin listener is not known as {name:?}. admin.hosts in the configuration permits it."
        ),
    ))
}

/// A `Host` without its port, and an IPv6 address without its brackets.
fn name_of(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(name, _)| name);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

/// A page that asks is one of this listener's own.
pub(super) fn check_origin(headers: &HeaderMap, from: From) -> Result<(), Fault> {
    let foreign = || {
        let message = "A page of another origin may ask for nothing here.";
        Fault::new(StatusCode::FORBIDDEN, "cross-origin", message)
    };
    let site = headers.get("sec-fetch-site").map(|it| it.as_bytes());
    if site.is_some_and(|site| !matches!(site, b"same-origin" | b"none")) {
        return Err(foreign());
    }
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return Ok(());
    };
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let scheme = if from.secure { "https://" } else { "http://" };
    let authority = origin.to_str().ok().and_then(|it| it.strip_prefix(scheme));
    match (authority, host, origins.next()) {
        (Some(authority), Some(host), None) if authority.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(foreign()),
    }
}

/// What changes something comes from nobody's link or form.
pub(super) fn check_proof(method: &Method, headers: &HeaderMap) -> Result<(), Fault> {
    if matches!(*method, Method::GET | Method::HEAD)
        || headers.get(PROOF).is_some_and(|it| it.as_bytes() == b"1")
    {
        return Ok(());
    }
    Err(Fault::new(
        StatusCode::FORBIDDEN,
        "proof-missing",
        "What changes something needs the header X-Stompbox-Request: 1.",
    ))
}

/// What whoever asks may do.
pub(super) async fn role(state: &State, headers: &HeaderMap, from: From) -> Result<Role, Fault> {
    if state.shared.users.is_empty() {
        // `Config::validate` has seen to it that this is the loopback.
        return Ok(Role::Admin);
    }
    let Some((login, passcode)) = basic(headers) else {
        return Err(unauthorized("The request has no login (HTTP Basic)."));
    };
    let address = from.remote.ip();
    state.throttle.check(address)?;
    let verified = state.shared.users.verify(Some(&login), Some(&passcode));
    let Ok(principal) = time::timeout(PATIENCE, verified).await else {
        let message = "The login could not be checked in time.";
        return Err(Fault::unavailable("busy", message));
    };
    let Some(principal) = principal else {
        state.throttle.failed(address);
        let refused = &state.shared.census.logins_refused;
        refused.fetch_add(1, Ordering::Relaxed);
        state.shared.hub.tell("login-refused", || {
            json!({
                "login": login.chars().take(80).collect::<String>(),
                "remote": from.remote,
            })
        });
        return Err(unauthorized("Login or passcode is wrong."));
    };
    principal.role().ok_or_else(|| {
        let message = "This user has no role: in the configuration a [[user]] gets one by `role`.";
        Fault::new(StatusCode::FORBIDDEN, "no-role", message)
    })
}

fn unauthorized(message: &str) -> Fault {
    Fault::new(StatusCode::UNAUTHORIZED, "login", message).with_header(
        header::WWW_AUTHENTICATE,
        "Basic realm=\"stompbox\", charset=\"UTF-8\"",
    )
}

/// Login and passcode of HTTP Basic (RFC 7617).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (login, passcode) = text.split_once(':')?;
    Some((login.into(), passcode.into()))
}

/// How many logins may fail in a minute from one address.
const MOST_FAILURES: u32 = 10;

const MINUTE: Duration = Duration::from_secs(60);

/// How many addresses are remembered.
const MOST_ADDRESSES: usize = 10_000;

/// Slows those down who try passcodes.
#[derive(Default)]
pub(super) struct Throttle(Mutex<HashMap<IpAddr, (u32, Instant)>>);

impl Throttle {
    /// Whether that address may try.
    fn check(&self, address: IpAddr) -> Result<(), Fault> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.get(&network(address)) {
            Some((count, since)) if *count >= MOST_FAILURES && since.elapsed() < MINUTE => {
                let message = format!(
                    "{MOST_FAILURES} logins from this address have failed within a minute."
                );
                Err(
                    Fault::new(StatusCode::TOO_MANY_REQUESTS, "throttled", message)
                        .with_header(header::RETRY_AFTER, "60"),
                )
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, address: IpAddr) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= MOST_ADDRESSES {
            failures.retain(|_, (_, since)| since.elapsed() < MINUTE);
        }
        let address = network(address);
        if failures.len() >= MOST_ADDRESSES && !failures.contains_key(&address) {
            // So many at once: there is no telling who is who.
            failures.clear();
        }
        let (count, since) = failures
            .entry(address)
            .or_insert_with(|| (0, Instant::now()));
        if since.elapsed() >= MINUTE {
            (*count, *since) = (0, Instant::now());
        }
        *count += 1;
    }
}

/// An address that one party has alone: of IPv6 it is a network of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(it) => {
            let mask = u128::MAX << 64;
            Ipv6Addr::from_bits(it.to_bits() & mask).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_known_by_its_name() {
        for (host, name) in [
            ("localhost:61680", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]:61680", "::1"),
            ("admin.example.com:443", "admin.example.com"),
        ] {
            assert_eq!(name_of(host), name);
        }
    }

    #[test]
    fn ten_failures_are_enough_for_a_minute() {
        let throttle = Throttle::default();
        let attacker: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let other: IpAddr = "192.0.2.1".parse().unwrap();
        for _ in 0..MOST_FAILURES {
            assert!(throttle.check(attacker).is_ok());
            throttle.failed(attacker);
        }
        assert!(throttle.check(attacker).is_err());
        assert!(throttle.check(neighbour).is_err(), "the same network");
        assert!(throttle.check(other).is_ok());
    }
}
