//! What selectors cost: one evaluation, and one message with 10,000 subscriptions.
//!
//! `cargo bench --package stompbox-broker --bench selector`. Every contender runs in each round, so
//! that a busy machine slows all alike; the best round of each counts, and only the ratios mean
//! something.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use stompbox_broker::selector::{EqualityIndex, Properties, Selector, TypedName, Value};

const SUBSCRIPTIONS: usize = 10_000;

fn main() {
    // `cargo test --all-targets` runs it, too, and means no measurement.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    evaluations();
    subscriptions();
}

struct Message(Vec<(&'static str, &'static str)>);

impl Properties for Message {
    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.0.iter();
        Some(headers.find(|(other, _)| *other == name)?.1)
    }

    fn typed(&self, name: TypedName) -> Value<'_> {
        match name {
            TypedName::Priority => Value::Int(4),
            TypedName::Redelivered | TypedName::Persistent => Value::Bool(false),
            _ => Value::Null,
        }
    }
}

fn message() -> Message {
    Message(vec![
        ("content-type", "application/json"),
        ("region", "eu-west"),
        ("price", "2500.5"),
        ("quantity", "12"),
        ("symbol", "ACME"),
        ("user", "alice"),
        ("urgent", "true"),
        ("room", "room-5000"),
    ])
}

fn compile(text: &str) -> Arc<Selector> {
    let selector = Selector::compile(text).expect("it is a selector");
    selector.expect("it is not blank")
}

fn evaluations() {
    let texts = [
        "symbol = 'ACME'",
        "price > 2500",
        "urgent",
        "JMSPriority >= 4",
        "region LIKE 'eu-%'",
        "symbol IN ('ABC', 'XYZ', 'ACME')",
        "symbol IN ('A','B','C','D','E','F','G','H','I','J','K','ACME')",
        "price * quantity BETWEEN 1000 AND 100000",
        "region = 'eu-west' AND price > 100 AND NOT urgent = FALSE AND user IS NOT NULL",
    ];
    let message = &message();
    let selectors = texts.map(compile);
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for selector in &selectors {
        assert!(selector.matches(message), "{selector}");
        let evaluate = move || {
            for _ in 0..1000 {
                black_box(black_box(selector).matches(message));
            }
        };
        contenders.push(Box::new(evaluate));
    }
    let compiled = move || {
        for _ in 0..1000 {
            black_box(compile(black_box(texts[8])));
        }
    };
    contenders.push(Box::new(compiled));
    let best = measure(&mut contenders);
    println!("evaluations, the last line: compilations of the selector above it");
    for (text, time) in texts.iter().chain(&["(compile)"]).zip(&best) {
        let ratio = time.as_secs_f64() / best[0].as_secs_f64();
        let rate = 1000.0 / time.as_secs_f64();
        println!("  {rate:>12.0}/s {ratio:>7.2} times the first  {text}");
    }
}

fn subscriptions() {
    let message = &message();
    let selectors: Vec<_> = (0..SUBSCRIPTIONS)
        .map(|n| compile(&format!("room = 'room-{n}' AND price > 100")))
        .collect();
    let selectors = &selectors;
    let index_of = |selectors: &[Arc<Selector>]| {
        let mut index = EqualityIndex::default();
        for (key, selector) in selectors.iter().enumerate() {
            assert!(index.insert(key, selector));
        }
        index
    };
    let (all, one) = (index_of(selectors), index_of(&selectors[5000..5001]));
    let mut out = Vec::new();
    let mut indexed = |index: &EqualityIndex<usize>, base: usize| {
        out.clear();
        black_box(index).candidates(message, &mut out);
        let selected = |key: &&usize| selectors[base + **key].matches(message);
        assert_eq!(out.iter().filter(selected).count(), 1);
    };
    let indexed = std::cell::RefCell::new(&mut indexed);
    let naive = || {
        let matching = selectors.iter().filter(|s| s.matches(message));
        assert_eq!(matching.count(), 1);
    };
    let best = measure(&mut [
        Box::new(|| (indexed.borrow_mut())(&one, 5000)),
        Box::new(|| (indexed.borrow_mut())(&all, 0)),
        Box::new(naive),
    ]);
    let [one, all, naive] = [0, 1, 2].map(|at: usize| best[at].as_secs_f64());
    println!("a message of which one subscription wants to know");
    println!("  1 indexed subscription       {:>12.0} ns", one * 1e9);
    println!(
        "  {SUBSCRIPTIONS} indexed subscriptions {:>12.0} ns, {:.2} times one",
        all * 1e9,
        all / one
    );
    println!(
        "  {SUBSCRIPTIONS} evaluations           {:>12.0} ns, {:.0} times the index",
        naive * 1e9,
        naive / all
    );
}

type Contender<'a> = Box<dyn FnMut() + 'a>;

/// The best time of each.
fn measure(contenders: &mut [Contender<'_>]) -> Vec<Duration> {
    let mut best = vec![Duration::MAX; contenders.len()];
    let mut passes = vec![1u32; contenders.len()];
    for round in 0..40 {
        for (at, contender) in contenders.iter_mut().enumerate() {
            let begin = Instant::now();
            for _ in 0..passes[at] {
                contender();
            }
            let each = begin.elapsed() / passes[at];
            best[at] = best[at].min(each);
            if round == 0 {
                let wanted = Duration::from_millis(5).as_nanos() / each.as_nanos().max(1);
                passes[at] = u32::try_from(wanted).unwrap_or(u32::MAX).clamp(1, 100_000);
            }
        }
    }
    best
}
