//! Clients that do anything: the session never panics, what it sends is well-formed, and ERROR is
//! last.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use stompbox_proto::{
    Command, ContentLength, Decoder, Dialect, Limits, encode,
    server::{Config, Event, Session},
};

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Connect {
        version: u8,
        beat: (u16, u16),
    },
    Frame {
        command: u8,
        headers: Vec<(u8, &'a str)>,
        body: &'a [u8],
    },
    Bytes(&'a [u8]),
    Wait(u16),
}

const COMMANDS: [Command; 9] = [
    Command::Send,
    Command::Subscribe,
    Command::Unsubscribe,
    Command::Ack,
    Command::Nack,
    Command::Begin,
    Command::Commit,
    Command::Abort,
    Command::Disconnect,
];
const NAMES: [&str; 8] = [
    "destination",
    "id",
    "ack",
    "receipt",
    "transaction",
    "message-id",
    "subscription",
    "x",
];

fuzz_target!(|steps: Vec<Step>| {
    let mut now = Duration::from_secs(1);
    let mut session = Session::new(Config::default(), now);
    let mut decoder = Decoder::new(Limits::default());
    let mut failed = false;
    let mut errors = 0;
    for step in steps {
        let mut bytes = Vec::new();
        match step {
            Step::Wait(milliseconds) => {
                now += Duration::from_millis(milliseconds.into());
                session.handle_timeout(now);
            }
            Step::Connect { version, beat } => {
                let version = ["1.0", "1.1", "1.2", "9"][usize::from(version % 4)];
                let (send, receive) = beat;
                bytes =
                    format!("CONNECT\naccept-version:{version}\nheart-beat:{send},{receive}\n\n\0")
                        .into_bytes();
            }
            Step::Frame {
                command,
                headers,
                body,
            } => {
                let command = COMMANDS[usize::from(command) % COMMANDS.len()];
                let headers = headers
                    .iter()
                    .map(|(name, value)| (NAMES[usize::from(*name) % NAMES.len()], *value));
                let body = if command == Command::Send { body } else { b"" };
                let length = ContentLength::Auto;
                let _ = encode(
                    &mut bytes,
                    session.dialect(),
                    command,
                    headers,
                    body,
                    length,
                );
            }
            Step::Bytes(raw) => bytes = raw.to_vec(),
        }
        let mut input = &bytes[..];
        while !failed {
            let frame = match decoder.decode(&mut input, session.dialect()) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    session.decode_failed(&error);
                    failed = true;
                    break;
                }
            };
            match session.receive(&frame, now) {
                Ok(Event::Connect { .. }) => session.accept("s", &[], now),
                Ok(
                    Event::Send {
                        receipt: Some(receipt),
                        ..
                    }
                    | Event::Begin {
                        receipt: Some(receipt),
                        ..
                    }
                    | Event::Subscribe {
                        receipt: Some(receipt),
                        ..
                    },
                ) => session.receipt(&receipt, now),
                Ok(Event::Disconnect { .. }) => session.close(),
                Ok(_) => {}
                Err(_) => assert!(session.is_closing()),
            }
        }
        while let Some(sent) = session.poll_transmit() {
            assert_eq!(errors, 0, "nothing follows an ERROR");
            if sent == b"\n" {
                continue;
            }
            let mut reader = Decoder::new(Limits::default());
            let mut input = &sent[..];
            let dialect = match session.dialect() {
                Dialect::Handshake => Dialect::V1_2,
                dialect => dialect,
            };
            let frame = reader
                .decode(&mut input, dialect)
                .unwrap()
                .expect("a whole frame");
            errors += usize::from(frame.command() == Command::Error);
            assert!(input.is_empty(), "one frame");
        }
        if errors > 0 {
            assert!(session.is_closing());
        }
    }
});
