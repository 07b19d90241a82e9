//! What is shown of destinations and connections, and how it is sorted.

use std::cmp::Ordering;

use super::{
    super::{
        model::{Destination, short_id},
        text::{age, bytes, count, rate, seconds},
    },
    look::Peer,
};

/// A column of a panel.
pub(crate) struct Column<T> {
    pub(crate) name: &'static str,
    /// Of the terminal's columns; 0 for what is left over.
    pub(crate) width: u16,
    pub(crate) is_number: bool,
    /// It is shown where the terminal has as many columns.
    pub(crate) from: u16,
    pub(crate) cell: fn(&T) -> String,
    /// What people look for comes first: A before B, but the most before the least.
    pub(crate) order: fn(&T, &T) -> Ordering,
}

const fn text<T>(
    name: &'static str,
    width: u16,
    from: u16,
    cell: fn(&T) -> String,
    order: fn(&T, &T) -> Ordering,
) -> Column<T> {
    Column {
        name,
        width,
        is_number: false,
        from,
        cell,
        order,
    }
}

const fn number<T>(
    name: &'static str,
    width: u16,
    from: u16,
    cell: fn(&T) -> String,
    order: fn(&T, &T) -> Ordering,
) -> Column<T> {
    Column {
        name,
        width,
        is_number: true,
        from,
        cell,
        order,
    }
}

/// The column that destinations are sorted by at first: DEPTH.
pub(crate) const BY_DEPTH: usize = 2;
/// The column that connections are sorted by at first: OUT/S.
pub(crate) const BY_SENT: usize = 10;

/// Those of destinations.
pub(crate) static DESTINATIONS: [Column<Destination>; 10] = [
    text(
        "NAME",
        0,
        0,
        |it| it.name.clone(),
        |a, b| a.name.cmp(&b.name),
    ),
    text(
        "KIND",
        11,
        100,
        |it| it.kind.clone(),
        |a, b| a.kind.cmp(&b.kind),
    ),
    number(
        "DEPTH",
        7,
        0,
        |it| count(it.depth),
        |a, b| b.depth.cmp(&a.depth),
    ),
    number(
        "BYTES",
        8,
        92,
        |it| bytes(it.bytes),
        |a, b| b.bytes.cmp(&a.bytes),
    ),
    number(
        "UNACKED",
        7,
        0,
        |it| count(it.unacknowledged),
        |a, b| b.unacknowledged.cmp(&a.unacknowledged),
    ),
    number(
        "CONS",
        5,
        0,
        |it| count(it.consumers),
        |a, b| b.consumers.cmp(&a.consumers),
    ),
    number(
        "OLDEST",
        8,
        0,
        |it| it.oldest_ms.map(age).unwrap_or_default(),
        |a, b| b.oldest_ms.cmp(&a.oldest_ms),
    ),
    number(
        "IN/S",
        7,
        0,
        |it| rate(it.rates.received),
        |a, b| b.rates.received.total_cmp(&a.rates.received),
    ),
    number(
        "OUT/S",
        7,
        0,
        |it| rate(it.rates.sent),
        |a, b| b.rates.sent.total_cmp(&a.rates.sent),
    ),
    number(
        "ACK/S",
        7,
        0,
        |it| rate(it.rates.acknowledged),
        |a, b| b.rates.acknowledged.total_cmp(&a.rates.acknowledged),
    ),
];

/// What the API is to sort destinations by, so that of very many the right ones come.
pub(crate) fn api_sort(column: usize) -> &'static str {
    match DESTINATIONS.get(column).map(|it| it.name) {
        Some("NAME") => "name",
        Some("IN/S" | "OUT/S" | "ACK/S") => "rate",
        _ => "depth",
    }
}

/// Those of connections.
pub(crate) static CONNECTIONS: [Column<Peer>; 14] = [
    text("ID", 12, 100, |it| short_id(&it.it.id).to_owned(), by_id),
    text("USER", 0, 0, user, |a, b| user(a).cmp(&user(b))),
    text("CLIENT-ID", 16, 120, client, |a, b| {
        client(a).cmp(&client(b))
    }),
    text("REMOTE", 21, 0, remote, |a, b| remote(a).cmp(&remote(b))),
    text("VIA", 6, 0, transport, |a, b| {
        transport(a).cmp(&transport(b))
    }),
    text("STOMP", 5, 92, version, |a, b| version(a).cmp(&version(b))),
    text("AGENT", 20, 144, agent, |a, b| agent(a).cmp(&agent(b))),
    number(
        "SUBS",
        4,
        0,
        |it| count(it.it.subscriptions),
        |a, b| b.it.subscriptions.cmp(&a.it.subscriptions),
    ),
    number(
        "UNACKED",
        7,
        0,
        |it| count(it.it.unacknowledged),
        |a, b| b.it.unacknowledged.cmp(&a.it.unacknowledged),
    ),
    number(
        "IN/S",
        6,
        0,
        |it| shown(received(it), rate),
        |a, b| received(b).total_cmp(&received(a)),
    ),
    number(
        "OUT/S",
        6,
        0,
        |it| shown(sent(it), rate),
        |a, b| sent(b).total_cmp(&sent(a)),
    ),
    number(
        "OUT-BYTES/S",
        11,
        132,
        |it| shown(sent_bytes(it), |rate| bytes(rate as u64)),
        |a, b| sent_bytes(b).total_cmp(&sent_bytes(a)),
    ),
    number(
        "QUEUED",
        8,
        0,
        |it| bytes(it.it.queued.bytes),
        |a, b| b.it.queued.bytes.cmp(&a.it.queued.bytes),
    ),
    text(
        "SINCE",
        20,
        166,
        |it| it.it.connected_at.map(seconds).unwrap_or_default(),
        |a, b| b.it.connected_at.cmp(&a.it.connected_at),
    ),
];

fn user(it: &Peer) -> String {
    it.it.user.clone().unwrap_or_default()
}

fn client(it: &Peer) -> String {
    it.it.client_id.clone().unwrap_or_default()
}

fn remote(it: &Peer) -> String {
    it.it.remote.clone().unwrap_or_default()
}

fn transport(it: &Peer) -> String {
    it.it.transport.clone().unwrap_or_default()
}

fn version(it: &Peer) -> String {
    it.it.version.clone().unwrap_or_default()
}

fn agent(it: &Peer) -> String {
    it.it.agent.clone().unwrap_or_default()
}

/// Below zero before it is known, so that those come last.
fn received(it: &Peer) -> f64 {
    it.rates.map_or(-1.0, |it| it.received)
}

fn sent(it: &Peer) -> f64 {
    it.rates.map_or(-1.0, |it| it.sent)
}

fn sent_bytes(it: &Peer) -> f64 {
    it.rates.map_or(-1.0, |it| it.bytes_sent)
}

fn shown(number: f64, text: fn(f64) -> String) -> String {
    match number < 0.0 {
        true => String::new(),
        false => text(number),
    }
}

/// By number where IDs are numbers.
fn by_id(a: &Peer, b: &Peer) -> Ordering {
    let key = |it: &Peer| (it.it.id.len(), it.it.id.clone());
    key(a).cmp(&key(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_orders_are_what_they_are_said_to_be() {
        assert_eq!(DESTINATIONS[BY_DEPTH].name, "DEPTH");
        assert_eq!(CONNECTIONS[BY_SENT].name, "OUT/S");
        assert_eq!(
            [0, BY_DEPTH, 7, 99].map(api_sort),
            ["name", "depth", "rate", "depth"]
        );
    }

    /// What 80 columns have room for, with a space between two.
    #[test]
    fn all_that_is_shown_fits() {
        fn width<T>(columns: &[Column<T>], at: u16) -> u16 {
            let shown = columns.iter().filter(|it| it.from <= at);
            shown
                .map(|it| it.width.max(8 * u16::from(it.width == 0)) + 1)
                .sum()
        }
        for at in [80, 92, 100, 120, 132, 144, 166] {
            assert!(width(&DESTINATIONS, at) <= at + 1, "destinations at {at}");
            assert!(width(&CONNECTIONS, at) <= at + 1, "connections at {at}");
        }
    }
}
