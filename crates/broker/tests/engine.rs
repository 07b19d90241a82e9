//! The engine without sockets: order, turns, limits.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;
use stompbox_broker::{Broker, BrokerError, Config, Delivery, Message, Output, Target};
use stompbox_proto::AckMode;

fn message(destination: &str, body: &str) -> Message {
    Message::new(
        destination,
        Vec::new(),
        Bytes::copy_from_slice(body.as_bytes()),
    )
}

fn deliveries(broker: &mut Broker) -> Vec<(u64, Delivery)> {
    std::iter::from_fn(|| broker.poll_output())
        .map(|output| match output {
            Output::Deliver(id, delivery) => (id, delivery),
            Output::Overflow { .. } => panic!("nobody is slow here"),
        })
        .collect()
}

fn bodies(deliveries: &[(u64, Delivery)]) -> Vec<(u64, &str)> {
    deliveries
        .iter()
        .map(|(id, delivery)| (*id, std::str::from_utf8(&delivery.message.body).unwrap()))
        .collect()
}

#[test]
fn a_consumer_that_is_full_loses_its_turn_and_no_message() {
    let config = Config {
        max_unacked: 1,
        ..Config::default()
    };
    let mut broker = Broker::new(config);
    for id in [1, 2] {
        broker.connect(id);
        broker
            .subscribe(id, "s", false, "/queue/a", AckMode::Client)
            .unwrap();
    }
    for body in ["a", "b", "c", "d"] {
        broker.send(1, None, message("/queue/a", body)).unwrap();
    }
    let first = deliveries(&mut broker);
    assert_eq!(bodies(&first), [(1, "a"), (2, "b")]);
    let tag = first[1].1.tag.unwrap();
    broker.acknowledge(2, None, Target::Tag(tag), true).unwrap();
    assert_eq!(bodies(&deliveries(&mut broker)), [(2, "c")]);
    broker.disconnect(1);
    broker.disconnect(2);
    broker.connect(3);
    broker
        .subscribe(3, "s", false, "/queue/a", AckMode::Auto)
        .unwrap();
    let rest = deliveries(&mut broker);
    assert_eq!(bodies(&rest), [(3, "a"), (3, "c"), (3, "d")]);
    assert_eq!(
        rest.iter().map(|(_, d)| d.redeliveries).collect::<Vec<_>>(),
        [1, 1, 0]
    );
}

#[test]
fn limits_name_themselves_and_do_nothing() {
    let config = Config {
        max_queued_bytes: 1000,
        max_transaction_frames: 2,
        ..Config::default()
    };
    let mut broker = Broker::new(config);
    broker.connect(1);
    broker.send(1, None, message("/queue/a", "a")).unwrap();
    let big = "x".repeat(900);
    let error = broker.send(1, None, message("/queue/a", &big)).unwrap_err();
    assert!(matches!(
        error,
        BrokerError::StorageFull { limit: 1000, .. }
    ));
    broker.begin(1, "t");
    for _ in 0..2 {
        broker.send(1, Some("t"), message("/queue/a", "b")).unwrap();
    }
    let error = broker
        .send(1, Some("t"), message("/queue/a", "b"))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the transaction holds more than 2 frames"
    );
    broker.abort(1, "t");
    broker
        .subscribe(1, "s", false, "/queue/a", AckMode::Auto)
        .unwrap();
    assert_eq!(bodies(&deliveries(&mut broker)), [(1, "a")]);
}

#[test]
fn bytes_on_their_way_hold_a_queue_back_until_they_are_written() {
    let config = Config {
        max_outstanding: 1,
        ..Config::default()
    };
    let mut broker = Broker::new(config);
    broker.connect(1);
    broker
        .subscribe(1, "s", false, "/queue/a", AckMode::Auto)
        .unwrap();
    for body in ["a", "b"] {
        broker.send(1, None, message("/queue/a", body)).unwrap();
    }
    let first = deliveries(&mut broker);
    assert_eq!(bodies(&first), [(1, "a")]);
    broker.drained(1, first[0].1.message.size());
    assert_eq!(bodies(&deliveries(&mut broker)), [(1, "b")]);
}

#[test]
fn what_was_handed_out_and_not_written_goes_to_another() {
    let mut broker = Broker::new(Config::default());
    for id in [1, 2] {
        broker.connect(id);
        broker
            .subscribe(id, "s", false, "/queue/a", AckMode::Auto)
            .unwrap();
    }
    broker.send(1, None, message("/queue/a", "a")).unwrap();
    let (_, delivery) = deliveries(&mut broker).remove(0);
    broker.disconnect(1);
    broker.give_back(delivery);
    assert_eq!(bodies(&deliveries(&mut broker)), [(2, "a")]);
}

#[derive(Clone, Debug)]
enum Step {
    Send,
    Subscribe(u64, AckMode),
    Unsubscribe(u64),
    Ack(usize, bool),
    Reconnect(u64),
}

fn steps() -> impl Strategy<Value = Step> {
    let mode = prop::sample::select(vec![AckMode::Client, AckMode::ClientIndividual]);
    prop_oneof![
        4 => Just(Step::Send),
        2 => (1u64..4, mode).prop_map(|(id, mode)| Step::Subscribe(id, mode)),
        1 => (1u64..4).prop_map(Step::Unsubscribe),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(at, consumed)| Step::Ack(at, consumed)),
        1 => (1u64..4).prop_map(Step::Reconnect),
    ]
}

proptest! {
    /// Whatever clients do: what is acknowledged never comes back, what is not is never lost, and
    /// no message is in two hands.
    #[test]
    fn nothing_is_lost_and_nothing_acknowledged_comes_back(steps in prop::collection::vec(steps(), 0..120)) {
        let mut broker = Broker::new(Config::default());
        let mut subscribed = BTreeSet::new();
        // Deliveries that their clients hold: connection, tag, message, mode.
        let mut held: Vec<(u64, u64, u64, AckMode)> = Vec::new();
        let mut modes = std::collections::BTreeMap::new();
        let mut sent = 0;
        let mut consumed_messages = BTreeSet::new();
        for id in 1..4 {
            broker.connect(id);
        }
        for step in steps {
            match step {
                Step::Send => {
                    sent += 1;
                    broker.send(1, None, message("/queue/a", &sent.to_string())).unwrap();
                }
                Step::Subscribe(id, mode) => {
                    if subscribed.insert(id) {
                        modes.insert(id, mode);
                        broker.subscribe(id, "s", false, "/queue/a", mode).unwrap();
                    }
                }
                Step::Unsubscribe(id) => {
                    if subscribed.remove(&id) {
                        held.retain(|h| h.0 != id);
                        broker.unsubscribe(id, "s");
                    }
                }
                Step::Reconnect(id) => {
                    subscribed.remove(&id);
                    held.retain(|h| h.0 != id);
                    broker.disconnect(id);
                    broker.connect(id);
                }
                Step::Ack(at, consumed) => {
                    if held.is_empty() {
                        continue;
                    }
                    let (id, tag, _, mode) = held[at % held.len()];
                    let covered = |h: &(u64, u64, u64, AckMode)| {
                        h.0 == id && (h.1 == tag || (mode == AckMode::Client && h.1 < tag))
                    };
                    if consumed {
                        consumed_messages.extend(held.iter().filter(|h| covered(h)).map(|h| h.2));
                    }
                    held.retain(|h| !covered(h));
                    broker.acknowledge(id, None, Target::Tag(tag), consumed).unwrap();
                }
            }
            for (id, delivery) in deliveries(&mut broker) {
                prop_assert!(subscribed.contains(&id));
                prop_assert!(!consumed_messages.contains(&delivery.message_id));
                prop_assert!(held.iter().all(|h| h.2 != delivery.message_id), "in two hands");
                held.push((id, delivery.tag.unwrap(), delivery.message_id, modes[&id]));
            }
        }
        for id in 1..4 {
            broker.disconnect(id);
            // What went on to one that is still there comes back when it goes too.
            deliveries(&mut broker);
        }
        broker.connect(9);
        broker.subscribe(9, "s", false, "/queue/a", AckMode::Auto).unwrap();
        let rest: Vec<u64> = deliveries(&mut broker).iter().map(|(_, d)| d.message_id).collect();
        prop_assert!(rest.is_sorted());
        prop_assert_eq!(rest.len() + consumed_messages.len(), sent);
    }
}
