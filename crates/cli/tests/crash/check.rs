//! After a restart: everything that is there is consumed, and compared.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    client::Client,
    ledger::{Arrival, DEAD, LATER, Ledger, key},
    load::{FENCE, KEPT, OUT, READER, RETAINED, TOPIC, WORK, retained_topic, subscribe_durably},
};

const QUEUES: [&str; 8] = [WORK, KEPT, OUT[0], OUT[1], FENCE, LATER, DEAD, TOPIC];
const SENTINEL: &str = "sentinel";
/// When scheduled messages that don't come are lost.
const HANG: Duration = Duration::from_secs(10);

/// Makes the durable subscription.
pub(crate) fn prepare(port: u16) -> io::Result<()> {
    let mut client = Client::connect(port, READER)?;
    subscribe_durably(&mut client, "0");
    client.flush()?;
    client.wait().map(drop)
}

/// Consumes all, and compares it with what is known.
pub(crate) fn drain(port: u16, ledger: &mut Ledger) -> io::Result<()> {
    let mut client = Client::connect(port, READER)?;
    // Behind everything in its queue.
    for queue in QUEUES.iter().filter(|queue| **queue != TOPIC) {
        client.put("SEND", &[("destination", queue)], SENTINEL);
    }
    for (id, queue) in QUEUES.iter().enumerate() {
        let id = id.to_string();
        if *queue == TOPIC {
            subscribe_durably(&mut client, &id);
            continue;
        }
        let headers = [
            ("id", &*id),
            ("destination", queue),
            ("ack", "client-individual"),
            ("prefetch-count", "0"),
        ];
        client.put("SUBSCRIBE", &headers, "");
    }
    client.put("SEND", &[("destination", TOPIC)], SENTINEL);
    client.flush()?;
    let (mut arrivals, mut ends, mut unconfirmed) = (Vec::new(), 0, 0_usize);
    let mut late = ledger.late() as isize;
    let start = Instant::now();
    while ends < QUEUES.len() || unconfirmed > 0 || (late > 0 && start.elapsed() < HANG) {
        let frame = if ends < QUEUES.len() || unconfirmed > 0 {
            client.wait()?
        } else {
            let Some(frame) = client.look()? else {
                continue;
            };
            frame
        };
        if frame.command == "RECEIPT" {
            unconfirmed -= usize::from(frame.header("receipt-id") == "ack");
            continue;
        }
        client.put(
            "ACK",
            &[("id", frame.header("ack")), ("receipt", "ack")],
            "",
        );
        client.flush()?;
        unconfirmed += 1;
        let text = frame.body.split(' ').next().unwrap_or_default();
        if text == SENTINEL {
            ends += 1;
            continue;
        }
        let id: usize = frame.header("subscription").parse().unwrap_or(0);
        let Some(key) = key(text) else {
            return Err(io::Error::other(format!("unknown {frame:?}")));
        };
        if QUEUES[id] == LATER && ledger.is_expected(key) {
            late -= 1;
        }
        arrivals.push(Arrival {
            key,
            queue: QUEUES[id],
            redelivered: frame.header("redelivered") == "true",
        });
    }
    ledger.drained(&arrivals);
    retained(&mut client, ledger)
}

/// Looks at the retained messages.
fn retained(client: &mut Client, ledger: &mut Ledger) -> io::Result<()> {
    for topic in 0..RETAINED {
        let Some((least, most)) = ledger.retained(topic) else {
            continue;
        };
        let (id, name) = (format!("r{topic}"), retained_topic(topic));
        let destination = ("destination", &*name);
        client.put("SUBSCRIBE", &[("id", &*id), destination], "");
        client.put("SEND", &[destination], SENTINEL);
        client.flush()?;
        let mut number = 0;
        loop {
            let frame = client.wait()?;
            if frame.header("subscription") != id {
                continue;
            }
            if frame.body == SENTINEL {
                break;
            }
            number = frame.body.parse().unwrap_or(u64::MAX);
        }
        if number < least || number > most {
            ledger.violations.push(format!(
                "{name} retains {number}, not one from {least} to {most}"
            ));
        }
        ledger.retains(topic, number);
    }
    Ok(())
}
