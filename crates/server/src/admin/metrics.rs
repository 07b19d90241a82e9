//! Numbers for Prometheus, in its text format. No label has a value for each connection, and
//! destinations are as many as `metrics_destinations` says.

use std::{cmp::Reverse, fmt::Write as _};

use http::Response;
use stompbox_broker::DestinationInfo;

use super::{
    State,
    answer::{self, Body, Fault},
    destinations,
    overview::VERSIONS,
};
use crate::peer::{Transport, read};

struct Page(String);

impl Page {
    /// The head of a family.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text can't fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let before = if at == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{before}{label}=\"{}\"", escaped(text));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.value(name, &[], value);
    }
}

/// A label's value as it is written.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out
}

pub(super) async fn answer(state: &State) -> Result<Response<Body>, Fault> {
    let shared = &state.shared;
    let totals = shared.hub.inspect(|broker, _| broker.totals());
    let most = state.admin.metrics_destinations;
    // Those with the most messages and the most going on.
    let top = match most {
        0 => Vec::new(),
        _ => {
            let place = |view: &stompbox_broker::DestinationView<'_>| {
                let rates = view.rates();
                let busy = view.depth() + (rates.incoming + rates.outgoing) as u64;
                Some((Reverse(busy), view.name().into_owned()))
            };
            destinations::collect(state, most, place).await
        }
    };
    let census = &shared.census;
    let mut page = Page(String::with_capacity(8 << 10));
    page.family("stompbox_build_info", "gauge", "The version; always 1.");
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    page.value("stompbox_build_info", &version, 1);
    let uptime = shared.hub.now().saturating_sub(shared.started) as f64 / 1000.0;
    page.one(
        "stompbox_uptime_seconds",
        "gauge",
        "Since the start.",
        uptime,
    );
    let name = "stompbox_connections";
    page.one(
        name,
        "gauge",
        "Connections that are logged in.",
        census.all(),
    );
    let name = "stompbox_connections_by_transport";
    page.family(name, "gauge", "The same by transport.");
    for it in Transport::ALL {
        page.value(name, &[("transport", it.as_str())], census.by_transport(it));
    }
    let name = "stompbox_connections_by_version";
    page.family(name, "gauge", "The same by version of STOMP.");
    for it in VERSIONS {
        page.value(name, &[("version", it.as_str())], census.by_version(it));
    }
    let name = "stompbox_destinations";
    page.family(name, "gauge", "Destinations by kind.");
    for (kind, count) in [
        ("queue", totals.queues),
        ("topic", totals.topics),
        ("stream", totals.streams),
        ("durable-subscription", totals.durable_subscriptions),
    ] {
        page.value(name, &[("kind", kind)], count);
    }
    let (flow, counts) = (&census.flow, &totals.counts);
    for (name, help, value) in [
        (
            "messages_in",
            "SEND frames that came.",
            read(&flow.messages_in),
        ),
        (
            "messages_out",
            "MESSAGE frames that were written.",
            read(&flow.messages_out),
        ),
        ("bytes_in", "Bytes that clients sent.", read(&flow.bytes_in)),
        (
            "bytes_out",
            "Bytes that were written to clients.",
            read(&flow.bytes_out),
        ),
        (
            "acknowledged",
            "Messages that were acknowledged.",
            counts.acknowledged,
        ),
        (
            "redelivered",
            "Messages that were handed out again.",
            counts.redelivered,
        ),
        (
            "dead_lettered",
            "Messages that went to the dead letters.",
            counts.dead_lettered,
        ),
        ("expired", "Messages whose time was over.", counts.expired),
        (
            "dropped",
            "Messages for which there was no room.",
            counts.dropped,
        ),
        (
            "logins_refused",
            "Logins that were refused.",
            read(&census.logins_refused),
        ),
    ] {
        page.one(&format!("stompbox_{name}_total"), "counter", help, value);
    }
    let name = "stompbox_messages_ready";
    page.one(
        name,
        "gauge",
        "Messages that wait in queues.",
        totals.waiting,
    );
    let name = "stompbox_messages_ready_bytes";
    page.one(name, "gauge", "Their bytes.", totals.waiting_bytes);
    let name = "stompbox_messages_unacknowledged";
    let help = "Messages that consumers have not acknowledged.";
    page.one(name, "gauge", help, totals.unacknowledged);
    let name = "stompbox_memory_bytes";
    page.one(name, "gauge", "Bytes of messages in memory.", totals.memory);
    let name = "stompbox_memory_limit_bytes";
    page.one(
        name,
        "gauge",
        "Most of them: max_memory.",
        totals.max_memory,
    );
    let name = "stompbox_memory_pressed";
    let help = "1: producers wait, since memory is short.";
    page.one(name, "gauge", help, u8::from(totals.pressed));
    if state.shared.config.data.is_some() {
        let name = "stompbox_store_messages";
        page.one(
            name,
            "gauge",
            "Messages on disk.",
            read(&census.store.messages),
        );
        let name = "stompbox_store_bytes";
        page.one(name, "gauge", "Bytes of disk.", read(&census.store.disk));
    }
    if let Some(gateway) = &shared.gateway {
        let status = gateway.status();
        let name = "stompbox_gateway_upstream_up";
        page.family(
            name,
            "gauge",
            "1: the broker was there when it was last tried.",
        );
        for it in &status.upstreams {
            page.value(name, &[("upstream", &it.upstream)], u8::from(it.up));
        }
        let up = status.connections.iter().filter(|it| it.up).count();
        let name = "stompbox_gateway_shared_connections_up";
        page.one(
            name,
            "gauge",
            "Connections to brokers that clients share.",
            up,
        );
        let name = "stompbox_gateway_own_connections";
        let help = "Connections to brokers of clients' own.";
        page.one(name, "gauge", help, status.own_connections);
    }
    by_destination(&mut page, &top);
    Ok(answer::with_type(
        page.0,
        "text/plain; version=0.0.4; charset=utf-8",
    ))
}

fn by_destination<P>(page: &mut Page, top: &[(P, DestinationInfo)]) {
    type Get = fn(&DestinationInfo) -> u64;
    let families: [(&str, &str, &str, Get); 7] = [
        ("depth", "gauge", "Messages that wait or are kept.", |it| {
            it.depth
        }),
        ("bytes", "gauge", "Their bytes.", |it| it.bytes),
        (
            "unacknowledged",
            "gauge",
            "Messages that consumers have.",
            |it| it.unacknowledged,
        ),
        ("consumers", "gauge", "Consumers or subscribers.", |it| {
            it.consumers
        }),
        (
            "messages_in_total",
            "counter",
            "Messages that came.",
            |it| it.counts.incoming,
        ),
        (
            "messages_out_total",
            "counter",
            "Messages that were handed out.",
            |it| it.counts.outgoing,
        ),
        (
            "acknowledged_total",
            "counter",
            "Messages that were acknowledged.",
            |it| it.counts.acknowledged,
        ),
    ];
    for (name, kind, help, get) in families {
        let name = format!("stompbox_destination_{name}");
        page.family(&name, kind, help);
        for (_, info) in top {
            let labels = [("destination", &*info.name), ("kind", info.kind.as_str())];
            page.value(&name, &labels, get(info));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_within_its_quotes() {
        let mut page = Page(String::new());
        page.value("x", &[("a", "\"} 1\n\\")], 2);
        assert_eq!(page.0, "x{a=\"\\\"} 1\\n\\\\\"} 2\n");
    }
}
