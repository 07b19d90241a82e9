//! What the simulation leaves out, against models of its own: streams, retained messages, replies,
//! durable subscriptions that are removed, and dead letters with a place. Between the steps the
//! broker is killed and starts again.
//!
//! `STOMPBOX_SIM_SEED=17 cargo test -p stompbox-broker --test seeded` repeats a run.

mod common;
#[allow(dead_code, reason = "the simulation uses more of it")]
#[path = "simulation/rng.rs"]
mod rng;

use std::collections::{BTreeMap, VecDeque};

use common::{Client, Header, World};
use rng::Rng;
use stompbox_broker::Config;

const PERSISTENT: Header<'static> = ("persistent", "true");
const STREAM: [Header<'static>; 2] = [("x-queue-type", "stream"), ("x-max-length", "20")];
const DEAD: [Header<'static>; 2] = [
    ("x-dead-letter-exchange", ""),
    ("x-dead-letter-routing-key", "dead"),
];

#[derive(Debug, Default)]
struct Model {
    /// A stream's messages: position, body, whether persistent.
    stream: VecDeque<(u64, String, bool)>,
    next_position: u64,
    /// A topic's retained message, and whether it is persistent.
    retained: BTreeMap<u64, (String, bool)>,
    /// What durable subscriptions keep, with their selectors.
    durables: BTreeMap<u64, (bool, Vec<String>)>,
    /// A queue's messages, with their refusals, and its dead letters with their reasons.
    work: VecDeque<(String, u32)>,
    dead: Vec<(String, &'static str)>,
}

struct Run {
    rng: Rng,
    w: World,
    model: Model,
    producer: Client,
    number: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut w = World::stored(Config::default());
        let producer = w.client();
        Self {
            rng: Rng::new(seed),
            w,
            model: Model {
                next_position: 1,
                ..Model::default()
            },
            producer,
            number: 0,
        }
    }

    fn body(&mut self) -> String {
        self.number += 1;
        format!("m{}", self.number)
    }

    fn step(&mut self) {
        match self.rng.below(100) {
            0..15 => self.append(),
            15..25 => self.read(),
            25..35 => self.retain(),
            35..42 => self.look(),
            42..50 => self.ask(),
            50..60 => self.publish(),
            60..68 => self.collect(),
            68..73 => self.remove(),
            73..80 => self.give_work(),
            80..92 => self.work(),
            92..96 => self.bury(),
            _ => self.crash(),
        }
        self.w.broker.audit().expect("all counts are right");
    }

    fn send(&mut self, to: &str, headers: &[Header<'_>], body: &str) {
        self.w.send(self.producer, to, headers, body);
        assert_eq!(self.w.error(self.producer), None);
    }

    fn append(&mut self) {
        let (body, persistent) = (self.body(), self.rng.chance(700));
        let mut headers = STREAM.to_vec();
        headers.extend(persistent.then_some(PERSISTENT));
        self.send("/queue/stream", &headers, &body);
        let position = self.model.next_position;
        self.model.next_position += 1;
        self.model.stream.push_back((position, body, persistent));
        if self.model.stream.len() > 20 {
            self.model.stream.pop_front();
        }
    }

    fn read(&mut self) {
        let next = self.model.next_position;
        let at = self.rng.below(next + 2);
        let last = self.model.stream.back().map_or(next, |it| it.0);
        let (header, value, from) = match self.rng.below(5) {
            0 => ("x-stream-offset", "first".to_owned(), 0),
            1 => ("x-stream-offset", "last".to_owned(), last),
            2 => ("x-stream-offset", "next".to_owned(), next),
            // Offsets begin with 0, positions with 1.
            3 => ("x-stream-offset", format!("offset={at}"), at + 1),
            _ => ("from-seq", at.to_string(), at),
        };
        let reader = self.w.client();
        let headers = [STREAM[0], STREAM[1], (header, &*value)];
        self.w.subscribe(reader, "s", "/queue/stream", &headers);
        let all = self.model.stream.iter();
        let mut expected: Vec<_> = all
            .filter(|it| it.0 >= from)
            .map(|(position, body, _)| (*position, body.clone()))
            .collect();
        let mut got = self.w.take(reader);
        if self.rng.chance(500) {
            self.append();
            let newest = self.model.stream.back().expect("it was sent");
            expected.push((newest.0, newest.1.clone()));
            got.extend(self.w.take(reader));
        }
        let got: Vec<_> = got.into_iter().map(|it| (it.position, it.body)).collect();
        assert_eq!(got, expected, "{header}:{value}");
        self.w.close(reader);
    }

    fn retain(&mut self) {
        let topic = self.rng.below(3);
        let (body, persistent) = (self.body(), self.rng.chance(600));
        let remove = self.rng.chance(200);
        let mut headers = vec![("retain", if remove { "remove" } else { "set" })];
        headers.extend(persistent.then_some(PERSISTENT));
        self.send(&format!("/topic/kept.{topic}"), &headers, &body);
        if remove {
            self.model.retained.remove(&topic);
        } else {
            self.model.retained.insert(topic, (body, persistent));
        }
    }

    fn look(&mut self) {
        let client = self.w.client();
        self.w.subscribe(client, "s", "/topic/kept.*", &[]);
        let mut got = self.w.bodies(client);
        got.sort();
        let all = self.model.retained.values();
        let mut expected: Vec<_> = all.map(|(body, _)| body.clone()).collect();
        expected.sort();
        assert_eq!(got, expected);
        self.w.close(client);
    }

    /// A request, and perhaps its reply, perhaps too late.
    fn ask(&mut self) {
        let (question, answer) = (self.body(), self.body());
        let (client, service) = (self.w.client(), self.w.client());
        let own = self.rng.chance(400);
        if own {
            self.w.subscribe(client, "own", "/temp-queue/r", &[]);
        }
        let reply = [("reply-to", "/temp-queue/r")];
        self.w.send(client, "/queue/service", &reply, &question);
        self.w.subscribe(service, "s", "/queue/service", &[]);
        let request = self.w.one(service);
        assert_eq!(request.body, question);
        let to = request.header("reply-to").expect("a reply-to").to_owned();
        let late = self.rng.chance(300);
        if late {
            self.w.close(client);
        }
        let persistent = [PERSISTENT];
        let headers: &[_] = if self.rng.chance(500) {
            &persistent
        } else {
            &[]
        };
        self.w.send(service, &to, headers, &answer);
        assert_eq!(self.w.error(service), None);
        if !late {
            let got = self.w.one(client);
            assert_eq!(got.body, answer);
            let subscription = if own { "own" } else { "/temp-queue/r" };
            assert_eq!(got.subscription, subscription);
            self.w.close(client);
        }
        self.w.close(service);
        let names: Vec<_> = self
            .w
            .broker
            .queue_stats()
            .map(|it| it.0.to_owned())
            .collect();
        if !late {
            assert!(
                names.iter().all(|it| !it.starts_with("/temp-queue/")),
                "{names:?}"
            );
        }
    }

    fn publish(&mut self) {
        let body = self.body();
        let red = self.rng.chance(500);
        let color = ("color", if red { "red" } else { "blue" });
        self.send("/topic/news", &[PERSISTENT, color], &body);
        for (selective, kept) in self.model.durables.values_mut() {
            if red || !*selective {
                kept.push(body.clone());
            }
        }
    }

    /// Somebody takes what a durable subscription kept; another selector makes it another one.
    fn collect(&mut self) {
        let (number, selective) = (self.rng.below(3), self.rng.chance(300));
        let client = self.w.client();
        let name = format!("d{number}");
        let mut headers = vec![("durable-subscription-name", &*name), ("receipt", "r")];
        headers.extend(selective.then_some(("selector", "color = 'red'")));
        self.w.subscribe(client, "s", "/topic/news", &headers);
        self.w.advance(100);
        assert_eq!(self.w.receipts(client), ["r"]);
        let kept = self.model.durables.entry(number).or_default();
        if kept.0 != selective {
            *kept = (selective, Vec::new());
        }
        assert_eq!(self.w.bodies(client), std::mem::take(&mut kept.1));
        self.w.close(client);
    }

    fn remove(&mut self) {
        let number = self.rng.below(3);
        let client = self.w.client();
        let name = format!("d{number}");
        let headers = [("durable-subscription-name", &*name), ("receipt", "r")];
        self.w.unsubscribe(client, "any", &headers);
        self.w.advance(100);
        assert_eq!(self.w.receipts(client), ["r"]);
        self.model.durables.remove(&number);
        let there = self
            .w
            .broker
            .queue_stats()
            .any(|it| it.0 == format!("/dsub/{name}"));
        assert!(!there);
        self.w.close(client);
    }

    fn give_work(&mut self) {
        let body = self.body();
        self.send("/queue/work", &[PERSISTENT, DEAD[0], DEAD[1]], &body);
        self.model.work.push_back((body, 0));
    }

    /// One consumer takes one message, and refuses or takes it.
    fn work(&mut self) {
        let client = self.w.client();
        let headers = [
            ("ack", "client-individual"),
            ("prefetch-count", "1"),
            DEAD[0],
            DEAD[1],
        ];
        self.w.subscribe(client, "s", "/queue/work", &headers);
        loop {
            let mut got = self.w.take(client);
            let Some((body, refusals)) = self.model.work.pop_front() else {
                assert!(got.is_empty(), "{got:?}");
                break;
            };
            assert_eq!(got.len(), 1, "{body} is to come: {got:?}");
            let got = got.remove(0);
            assert_eq!((&*got.body, got.redeliveries), (&*body, refusals));
            match self.rng.below(10) {
                0..3 => {
                    self.w.ack(client, &got, &[]);
                    continue;
                }
                3..4 => {
                    self.model.dead.push((body, "rejected"));
                    self.w.nack(client, &got, &[("requeue", "false")]);
                }
                _ => {
                    match refusals + 1 {
                        10 => self.model.dead.push((body, "delivery-limit")),
                        refusals => self.model.work.push_front((body, refusals)),
                    }
                    self.w.nack(client, &got, &[]);
                }
            }
        }
        self.w.close(client);
    }

    fn bury(&mut self) {
        let client = self.w.client();
        self.w.subscribe(client, "s", "/queue/dead", &[]);
        let got: Vec<_> = self.w.take(client);
        let got: Vec<_> = got
            .iter()
            .map(|it| {
                (
                    it.body.clone(),
                    it.header("x-death-reason").unwrap_or_default(),
                )
            })
            .collect();
        assert_eq!(got, std::mem::take(&mut self.model.dead));
        self.w.close(client);
    }

    fn crash(&mut self) {
        self.w.advance(100);
        self.w.restart();
        self.producer = self.w.client();
        let model = &mut self.model;
        model.stream.retain(|(.., persistent)| *persistent);
        model.next_position = model.stream.back().map_or(1, |it| it.0 + 1);
        model.retained.retain(|_, (_, persistent)| *persistent);
    }
}

#[test]
fn streams_replies_and_what_is_kept_are_as_a_model_says() {
    let number = |name| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let seeds = match number("STOMPBOX_SIM_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("STOMPBOX_SIM_SEEDS").unwrap_or(30),
    };
    for seed in seeds {
        println!("STOMPBOX_SIM_SEED={seed}");
        let mut run = Run::new(seed);
        for _ in 0..400 {
            run.step();
        }
    }
}
