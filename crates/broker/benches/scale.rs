//! Whether a message costs more where there is more of something else: messages in its queue,
//! other destinations, subscriptions elsewhere, subscribers with selectors.
//!
//! `cargo bench --package stompbox-broker --bench scale [-- MESSAGES]`: MESSAGES is the depth of the
//! deepest queue, 1,000,000 without it. Only the ratios mean something.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use stompbox_broker::{
    Broker, Command, Config, ConnectionId, Identity, Message, Output, Subscribe, Subscriber,
};
use stompbox_proto::AckMode;

/// Messages that one measurement sends and receives.
const MESSAGES: usize = 200_000;
/// In batches, as a read brings them.
const BATCH: usize = 100;

fn main() {
    // `cargo test --all-targets` runs it, too, and means no measurement.
    let arguments: Vec<String> = std::env::args().collect();
    if !arguments.iter().any(|arg| arg == "--bench") {
        return;
    }
    let deepest = arguments.iter().find_map(|arg| arg.parse().ok());
    let deepest = deepest.unwrap_or(1_000_000);
    let mut base = None;
    let mut report = |what: &str, took: Duration| {
        let each = took.as_nanos() as f64 / MESSAGES as f64;
        let base = *base.get_or_insert(each);
        println!(
            "{what:<44} {each:>8.0} ns a message, {:>5.2} times the first",
            each / base
        );
    };
    report("a queue with 1,000 waiting messages", queue(1_000));
    report("a queue with 100,000", queue(100_000));
    report(&format!("a queue with {deepest}"), queue(deepest));
    let mut base = None;
    let mut report = |what: &str, took: Duration| {
        let each = took.as_nanos() as f64 / MESSAGES as f64;
        let base = *base.get_or_insert(each);
        println!(
            "{what:<44} {each:>8.0} ns a message, {:>5.2} times the first",
            each / base
        );
    };
    report("1 topic, 1 subscriber", topics(1, 0, None));
    report(
        "10,000 topics with a subscriber each",
        topics(10_000, 0, None),
    );
    report(
        "1 topic, 100,000 subscriptions elsewhere",
        topics(1, 100_000, None),
    );
    report(
        "1 topic, 10,000 others with room = 'N'",
        topics(1, 0, Some(10_000)),
    );
}

struct World {
    broker: Broker,
    outputs: VecDeque<Output>,
}

impl World {
    fn new() -> Self {
        let config = Config {
            max_memory: usize::MAX / 2,
            max_destinations: 1_000_000,
            ..Config::default()
        };
        Self {
            broker: Broker::new(config, "run", 1),
            outputs: VecDeque::new(),
        }
    }

    fn connect(&mut self) -> ConnectionId {
        self.broker.connect(Identity::default(), 1)
    }

    fn subscribe(&mut self, id: ConnectionId, name: &str, to: &str, selector: Option<&str>) {
        let headers = selector.map(|it| ("selector".into(), it.into()));
        let subscribe = Subscribe {
            id: name.into(),
            subscriber: Arc::new(Subscriber::new(Some(name.into()), None, Box::default())),
            destination: to.into(),
            ack: AckMode::Auto,
            headers: headers.into_iter().collect(),
            receipt: None,
        };
        self.broker
            .run(id, [Command::Subscribe(Box::new(subscribe))], 1);
        self.take();
    }

    fn send(&mut self, id: ConnectionId, messages: Vec<Message>) {
        let commands = messages.into_iter().map(|message| Command::Send {
            transaction: None,
            receipt: None,
            message: Arc::new(message),
        });
        self.broker.run(id, commands, 1);
    }

    /// Takes all that there is for connections, and says that it was written.
    fn take(&mut self) -> usize {
        let mut count = 0;
        while let Some(id) = self.broker.poll_dirty() {
            self.broker.take_outputs(id, &mut self.outputs);
            let mut written = 0;
            for output in self.outputs.drain(..) {
                if let Output::Deliver(delivery) = output {
                    count += 1;
                    written += delivery.size();
                }
            }
            self.broker.run(id, [Command::Drained(written)], 1);
        }
        count
    }
}

fn message(destination: &str) -> Message {
    let headers = [("content-type", "text/plain"), ("room", "5000")];
    Message::new(destination, &headers, &[b'x'; 256], 1).expect("good headers")
}

/// Sends to a queue of that depth, and takes from its other end.
fn queue(depth: usize) -> Duration {
    let mut world = World::new();
    let producer = world.connect();
    for _ in 0..depth / BATCH {
        world.send(producer, (0..BATCH).map(|_| message("/queue/a")).collect());
    }
    let mut took = Duration::ZERO;
    for round in 0..MESSAGES / BATCH {
        let messages = (0..BATCH).map(|_| message("/queue/a")).collect();
        let begun = Instant::now();
        world.send(producer, messages);
        // A consumer that takes as much and goes: the rest stays.
        let consumer = world.connect();
        let headers = vec![("prefetch-count".into(), BATCH.to_string().into())];
        let subscribe = Subscribe {
            id: "s".into(),
            subscriber: Arc::new(Subscriber::new(None, None, Box::default())),
            destination: "/queue/a".into(),
            ack: AckMode::Client,
            headers,
            receipt: None,
        };
        let commands = [Command::Subscribe(Box::new(subscribe))];
        world.broker.run(consumer, commands, 1);
        let count = world.take();
        assert!(count >= BATCH, "{count} in round {round}");
        let acknowledge = Command::Acknowledge {
            target: stompbox_broker::Target::Tag(BATCH as u64),
            consumed: true,
            requeue: false,
            transaction: None,
            receipt: None,
        };
        world.broker.run(consumer, [acknowledge], 1);
        world.broker.run(
            consumer,
            [Command::Gone {
                unwritten: Vec::new(),
            }],
            1,
        );
        took += begun.elapsed();
    }
    took
}

/// Sends to topics in turn, with one subscriber each.
fn topics(count: usize, elsewhere: usize, rooms: Option<usize>) -> Duration {
    let mut world = World::new();
    let producer = world.connect();
    let consumer = world.connect();
    let names: Vec<String> = (0..count)
        .map(|number| format!("/topic/{number}"))
        .collect();
    for (number, name) in names.iter().enumerate() {
        world.subscribe(consumer, &number.to_string(), name, None);
    }
    let other = world.connect();
    for number in 0..elsewhere {
        let name = format!("/topic/elsewhere.{}", number % 1000);
        world.subscribe(other, &number.to_string(), &name, None);
    }
    for number in 0..rooms.unwrap_or(0) {
        let selector = format!("room = '{}'", 10_000 + number);
        world.subscribe(other, &format!("r{number}"), &names[0], Some(&selector));
    }
    let mut took = Duration::ZERO;
    for round in 0..MESSAGES / BATCH {
        let messages = (0..BATCH)
            .map(|number| message(&names[(round * BATCH + number) % count]))
            .collect();
        let begun = Instant::now();
        world.send(producer, messages);
        let taken = world.take();
        took += begun.elapsed();
        assert_eq!(taken, BATCH, "in round {round}");
    }
    took
}
