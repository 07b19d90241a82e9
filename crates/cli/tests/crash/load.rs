//! The clients: each on a thread, until its connection ends or it is told to stop.

use std::{
    collections::{HashMap, VecDeque},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::{
    client::{Client, Frame, is_end},
    ledger::{Event, Key, LATER, Transaction, body, key},
    rng::Rng,
};

/// Consumed by everybody.
pub(crate) const WORK: &str = "/queue/work";
/// Kept until it is looked at.
pub(crate) const KEPT: &str = "/queue/kept";
/// What transactions send.
pub(crate) const OUT: [&str; 2] = ["/queue/out.a", "/queue/out.b"];
/// What is stored to know that what came before is.
pub(crate) const FENCE: &str = "/queue/fence";
/// Has a durable subscription.
pub(crate) const TOPIC: &str = "/topic/news";
/// How many topics have a retained message.
pub(crate) const RETAINED: usize = 3;

/// Messages that a producer sends in a round at most: what is checked after each must end.
const MOST: u64 = 1_500;

pub(crate) fn retained_topic(number: usize) -> String {
    format!("/topic/kept.{number}")
}

/// Subscribes as the durable subscriber.
pub(crate) fn subscribe_durably(client: &mut Client, id: &str) {
    let headers = [
        ("id", id),
        ("destination", TOPIC),
        ("ack", "client-individual"),
        ("activemq.subscriptionName", "reader"),
        ("receipt", "subscribed"),
    ];
    client.put("SUBSCRIBE", &headers, "");
}

/// The `client-id` of the durable subscriber.
pub(crate) const READER: &str = "reader";

/// What all clients of a round have.
#[derive(Clone)]
pub(crate) struct Round {
    pub(crate) port: u16,
    pub(crate) number: u64,
    pub(crate) stop: Arc<AtomicBool>,
    /// The broker is asked to stop: it may say so.
    pub(crate) graceful: bool,
}

pub(crate) struct Worker {
    client: Client,
    round: Round,
    rng: Rng,
    log: Vec<Event>,
    producer: u32,
    sequence: u64,
    /// What each fence is behind: ACKs, and NACKs.
    fences: VecDeque<(Key, Vec<Event>)>,
    behind: Vec<Event>,
}

type Work = fn(&mut Worker) -> io::Result<()>;

/// What the clients do.
const WORKS: [(&str, Work); 10] = [
    ("", |it| it.produce(WORK, 48, "true")),
    ("", |it| it.produce(KEPT, 1, "true")),
    ("", |it| it.produce(WORK, 8, "")),
    ("", |it| it.produce(TOPIC, 16, "true")),
    ("", |it| it.produce(LATER, 4, "true")),
    ("", Worker::retain),
    ("", Worker::consume_cumulatively),
    ("", |it| it.consume(WORK)),
    ("", Worker::transact),
    (READER, |it| it.consume(TOPIC)),
];

/// Starts the clients of a round; `producers` is the number of the first.
pub(crate) fn start(
    round: &Round,
    rng: &mut Rng,
    producers: &mut u32,
) -> Vec<JoinHandle<Result<Vec<Event>, String>>> {
    let mut threads = Vec::new();
    for (client_id, work) in WORKS {
        let (round, rng, producer) = (round.clone(), rng.fork(), *producers);
        *producers += 1;
        threads.push(thread::spawn(move || {
            let client = match Client::connect(round.port, client_id) {
                Ok(client) => client,
                Err(error) if is_end(&error) || round.graceful => return Ok(Vec::new()),
                Err(error) => return Err(error.to_string()),
            };
            let mut worker = Worker {
                client,
                round,
                rng,
                log: Vec::new(),
                producer,
                sequence: 0,
                fences: VecDeque::new(),
                behind: Vec::new(),
            };
            match work(&mut worker) {
                Err(error) if !is_end(&error) && !worker.round.graceful => Err(error.to_string()),
                _ => Ok(worker.log),
            }
        }));
    }
    threads
}

impl Worker {
    fn goes_on(&self) -> bool {
        !self.round.stop.load(Ordering::Relaxed)
    }

    /// Adds a SEND. Gives the message's key, which is its receipt's text too.
    fn send(&mut self, queue: &'static str, headers: &[(&str, &str)], persistent: &str) -> Key {
        self.sequence += 1;
        let key = (self.producer, self.sequence);
        let event = Event::Sent {
            key,
            // What a topic's durable subscription keeps is known by the topic.
            queue,
            persistent: persistent == "true",
        };
        self.log.push(event);
        let mut all = vec![("destination", queue)];
        if !persistent.is_empty() {
            all.push(("persistent", persistent));
        }
        all.extend_from_slice(headers);
        let mut body = body(key);
        // Some are longer than others; the number ends at the blank.
        if self.rng.percent(10) {
            body.push(' ');
            body.push_str(&"x".repeat(self.rng.below(4_000) as usize));
        }
        self.client.put("SEND", &all, &body);
        key
    }

    fn produce(&mut self, queue: &'static str, window: usize, persistent: &str) -> io::Result<()> {
        let mut waiting = 0;
        while self.goes_on() {
            while waiting < window && self.sequence < MOST {
                let receipt = body((self.producer, self.sequence + 1));
                let delay = (50 + self.rng.below(500)).to_string();
                let mut headers = vec![("receipt", &*receipt)];
                if queue == LATER {
                    headers.push(("AMQ_SCHEDULED_DELAY", &delay));
                }
                self.send(queue, &headers, persistent);
                waiting += 1;
            }
            self.client.flush()?;
            if let Some(frame) = self.client.look()?
                && let Some(key) = key(frame.header("receipt-id"))
            {
                self.log.push(Event::Receipted(key));
                waiting -= 1;
            }
        }
        Ok(())
    }

    fn retain(&mut self) -> io::Result<()> {
        // Numbers go on from round to round.
        let mut number = self.round.number * 1_000_000;
        while self.goes_on() {
            number += 1;
            let topic = self.rng.below(RETAINED as u64) as usize;
            self.log.push(Event::Retained(topic, number));
            let headers = [
                ("destination", &*retained_topic(topic)),
                ("persistent", "true"),
                ("retain", "true"),
                ("receipt", "kept"),
            ];
            self.client.put("SEND", &headers, &number.to_string());
            self.client.flush()?;
            self.client.wait()?;
            self.log.push(Event::RetainedReceipted(topic, number));
        }
        Ok(())
    }

    fn subscribe(&mut self, queue: &str, ack: &str, prefetch: &str) {
        if queue == TOPIC {
            return subscribe_durably(&mut self.client, "0");
        }
        let headers = [
            ("id", "0"),
            ("destination", queue),
            ("ack", ack),
            ("prefetch-count", prefetch),
        ];
        self.client.put("SUBSCRIBE", &headers, "");
    }

    /// A message, its receipts aside. `None`: not now.
    fn message(&mut self) -> io::Result<Option<(Key, Frame)>> {
        while let Some(frame) = self.client.look()? {
            if frame.command == "RECEIPT" {
                self.receipt(frame.header("receipt-id"));
                continue;
            }
            let text = frame.body.split(' ').next().unwrap_or_default();
            let Some(key) = key(text) else {
                return Err(io::Error::other(format!("unknown {frame:?}")));
            };
            let redelivered = frame.header("redelivered") == "true";
            self.log.push(Event::Delivered { key, redelivered });
            return Ok(Some((key, frame)));
        }
        Ok(None)
    }

    /// Receipts: `a` for an ACK, `c` for a COMMIT, `f` for a fence, with the message's key.
    fn receipt(&mut self, text: &str) {
        let (kind, rest) = text.split_at(1.min(text.len()));
        let Some(key) = key(rest) else { return };
        match kind {
            "a" => self.log.push(Event::AckCertain(key)),
            "c" => self.log.push(Event::Committed(key)),
            _ => {
                self.log.push(Event::Receipted(key));
                while let Some((fence, behind)) = self.fences.pop_front() {
                    self.log.extend(behind);
                    if fence == key {
                        return;
                    }
                }
            }
        }
    }

    /// Sends what nobody consumes. When it has its receipt, all that was sent before is on disk.
    fn fence(&mut self) {
        let receipt = format!("f{}", body((self.producer, self.sequence + 1)));
        let key = self.send(FENCE, &[("receipt", &receipt)], "true");
        let behind = std::mem::take(&mut self.behind);
        self.fences.push_back((key, behind));
    }

    /// `client`, without receipts.
    fn consume_cumulatively(&mut self) -> io::Result<()> {
        self.subscribe(WORK, "client", "60");
        self.client.flush()?;
        let mut covered = Vec::new();
        while self.goes_on() {
            let Some((key, frame)) = self.message()? else {
                continue;
            };
            covered.push(key);
            if self.rng.percent(20) {
                for key in covered.drain(..) {
                    self.log.push(Event::Acked(key));
                    self.behind.push(Event::AckCertain(key));
                }
                self.client.put("ACK", &[("id", frame.header("ack"))], "");
                if self.rng.percent(30) {
                    self.fence();
                }
                self.client.flush()?;
            }
        }
        Ok(())
    }

    /// `client-individual`, with and without receipts, and with NACKs.
    fn consume(&mut self, queue: &str) -> io::Result<()> {
        // Of the two durable cases one is that nobody is there.
        if queue == TOPIC && self.rng.percent(40) {
            return Ok(());
        }
        self.subscribe(queue, "client-individual", "40");
        self.client.flush()?;
        let mut held: HashMap<Key, String> = HashMap::new();
        while self.goes_on() {
            let Some((key, frame)) = self.message()? else {
                continue;
            };
            let ack = frame.header("ack");
            match self.rng.below(20) {
                0 if frame.header("redelivered") != "true" => {
                    self.client.put("NACK", &[("id", ack)], "");
                    self.behind.push(Event::NackCertain(key));
                }
                9 if queue == WORK && self.rng.percent(30) => {
                    self.log.push(Event::Rejected(key));
                    let headers = [("id", ack), ("requeue", "false")];
                    self.client.put("NACK", &headers, "");
                }
                // Some are not acknowledged, or much later.
                1 if held.len() < 10 => {
                    held.insert(key, ack.to_owned());
                }
                2..8 => {
                    self.ack(key, ack, false);
                    let old = held.keys().next().copied();
                    if let Some((key, ack)) = old.and_then(|key| held.remove_entry(&key)) {
                        self.ack(key, &ack, false);
                    }
                }
                8 => {
                    self.ack(key, ack, false);
                    self.fence();
                }
                _ => self.ack(key, ack, true),
            }
            self.client.flush()?;
        }
        Ok(())
    }

    fn ack(&mut self, key: Key, ack: &str, receipted: bool) {
        self.log.push(Event::Acked(key));
        let receipt = format!("a{}", body(key));
        let mut headers = vec![("id", ack)];
        if receipted {
            headers.push(("receipt", &receipt));
        } else {
            self.behind.push(Event::AckCertain(key));
        }
        self.client.put("ACK", &headers, "");
    }

    /// SENDs and ACKs together.
    fn transact(&mut self) -> io::Result<()> {
        self.subscribe(WORK, "client-individual", "20");
        self.client.flush()?;
        let mut taken: Vec<(Key, String)> = Vec::new();
        let mut number = 0;
        while self.goes_on() {
            let Some((key, frame)) = self.message()? else {
                continue;
            };
            taken.push((key, frame.header("ack").to_owned()));
            if taken.len() < 1 + self.rng.below(3) as usize {
                continue;
            }
            number += 1;
            let name = number.to_string();
            let transaction = [("transaction", &*name)];
            self.client.put("BEGIN", &transaction, "");
            let mut sends = Vec::new();
            for _ in 0..=self.rng.below(4) {
                let queue = OUT[self.rng.below(2) as usize];
                sends.push(self.send(queue, &transaction, "true"));
            }
            for (_, ack) in &taken {
                let headers = [("id", &**ack), ("transaction", &*name)];
                self.client.put("ACK", &headers, "");
            }
            if self.rng.percent(15) {
                self.client.put("ABORT", &transaction, "");
                self.log.extend(sends.into_iter().map(Event::Aborted));
                for (key, ack) in taken.drain(..) {
                    self.ack(key, &ack, true);
                }
            } else {
                let receipt = format!("c{}", body(sends[0]));
                let mut headers = transaction.to_vec();
                if self.rng.percent(75) {
                    headers.push(("receipt", &receipt));
                }
                self.client.put("COMMIT", &headers, "");
                self.log.push(Event::Commit(Transaction {
                    sends,
                    acks: taken.drain(..).map(|(key, _)| key).collect(),
                    committed: false,
                    round: self.round.number,
                }));
            }
            self.client.flush()?;
        }
        Ok(())
    }
}
