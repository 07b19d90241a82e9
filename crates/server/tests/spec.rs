//! The vectors of `spec/*.txt`: the clauses of the specifications that need a broker. Those of the
//! codec and the sessions are in `crates/proto/tests/spec`.
//!
//! A file is a list of blocks. `== name` begins one, then come its `clause` and its steps, where `a`
//! and `b` are clients that are connected in the file's version when they are first named:
//!
//! - `a: BYTES`: sends, and waits until the server has done all of it.
//! - `a sends: BYTES`: sends.
//! - `a sees: COMMAND|…`: its next frame. A part is a header line that is there; with `!` one, or a
//!   name, that is not; with `=` the body.
//! - `a sees: nothing`, `a sees: the end`.
//! - `a goes`: closes without a word.
//!
//! `\n`, `\0` and `\\` are octets; `{ack of 2}` is that header of the client's second frame.

mod common;

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    path::Path,
};

use common::{Raw, TestServer, body, header};

struct Client {
    raw: Raw,
    /// Frames that came and were not looked at.
    waiting: VecDeque<String>,
    seen: Vec<String>,
}

struct Play<'s> {
    server: &'s TestServer,
    version: &'s str,
    clients: BTreeMap<String, Client>,
}

fn octets(text: &str) -> String {
    let mut octets = String::new();
    let mut rest = text.chars();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            '\\' => match rest.next() {
                Some('n') => '\n',
                Some('0') => '\0',
                Some('\\') => '\\',
                other => panic!("escape {other:?} in {text:?}"),
            },
            octet => octet,
        });
    }
    octets
}

/// Puts headers of frames that were seen in place of `{NAME of NUMBER}`.
fn filled(text: &str, seen: &[String]) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').expect("a closing brace");
        let (name, number) = name.split_once(" of ").expect("NAME of NUMBER");
        let number: usize = number.parse().expect("a number");
        filled.push_str(before);
        filled.push_str(header(&seen[number - 1], name).expect("the header"));
        rest = after;
    }
    filled + rest
}

impl Play<'_> {
    async fn client(&mut self, name: &str) -> &mut Client {
        if !self.clients.contains_key(name) {
            let client = Client {
                raw: self.server.client(self.version).await,
                waiting: VecDeque::new(),
                seen: Vec::new(),
            };
            self.clients.insert(name.to_owned(), client);
        }
        self.clients.get_mut(name).expect("it was added")
    }

    async fn step(&mut self, line: &str) {
        if let Some(name) = line.strip_suffix(" goes") {
            self.clients.remove(name).expect("a client that is there");
            return;
        }
        let (who, what) = line.split_once(": ").expect("WHO: WHAT");
        if let Some(name) = who.strip_suffix(" sees") {
            self.client(name).await.sees(what).await;
        } else if let Some(name) = who.strip_suffix(" sends") {
            let client = self.client(name).await;
            let bytes = filled(&octets(what), &client.seen);
            client.raw.send(&bytes).await;
        } else {
            let client = self.client(who).await;
            let bytes = filled(&octets(what), &client.seen);
            client.waiting.extend(client.raw.settled(&bytes).await);
        }
    }
}

impl Client {
    async fn sees(&mut self, what: &str) {
        if what == "nothing" {
            self.waiting.extend(self.raw.settled("").await);
            assert_eq!(self.waiting, [""; 0]);
            return;
        }
        if what == "the end" {
            assert_eq!(self.waiting, [""; 0]);
            self.raw.end().await;
            return;
        }
        let frame = match self.waiting.pop_front() {
            Some(frame) => frame,
            None => self.raw.frame().await,
        };
        self.seen.push(frame.clone());
        let what = filled(&octets(what), &self.seen);
        let mut parts = what.split('|');
        let (head, _) = frame.split_once("\n\n").expect("a blank line");
        let mut lines = head.lines();
        assert_eq!(lines.next(), parts.next(), "{frame}");
        let lines: Vec<&str> = lines.collect();
        for part in parts {
            if let Some(text) = part.strip_prefix('=') {
                assert_eq!(body(&frame), text);
            } else if let Some(absent) = part.strip_prefix('!') {
                let name = format!("{absent}:");
                let found = |line: &&str| *line == absent || line.starts_with(&name);
                assert!(!lines.iter().any(found), "{absent} in {frame}");
            } else {
                assert!(lines.contains(&part), "no {part} in {frame}");
            }
        }
    }
}

async fn run_file(version: &str, vectors: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/spec/{version}.txt"));
    let file = fs::read_to_string(path).unwrap();
    let mut blocks = file.split("\n== ");
    blocks.next();
    let mut count = 0;
    for block in blocks {
        let (name, lines) = block.split_once('\n').expect("lines after the name");
        // The test's output is shown if it fails.
        println!("{version} {name}");
        let server = TestServer::start().await;
        let mut play = Play {
            server: &server,
            version,
            clients: BTreeMap::new(),
        };
        let mut steps = lines.lines().filter(|line| !line.is_empty());
        let clause = steps.next().expect("a clause");
        assert!(clause.starts_with("clause: "), "{clause}");
        for line in steps {
            play.step(line).await;
        }
        count += 1;
    }
    assert_eq!(count, vectors, "vectors of {version}");
}

#[tokio::test]
async fn stomp_1_0() {
    run_file("1.0", 4).await;
}

#[tokio::test]
async fn stomp_1_1() {
    run_file("1.1", 3).await;
}

#[tokio::test]
async fn stomp_1_2() {
    run_file("1.2", 7).await;
}
