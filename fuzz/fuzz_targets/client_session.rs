//! Servers and programs that do anything: the session never panics, and what it sends is
//! well-formed.
#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use stompbox_proto::{
    AckMode, Command, ContentLength, Decoder, Limits,
    client::{AckRef, Config, Event, Session},
};

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Connected(u8),
    Bytes(&'a [u8]),
    Message(&'a str, &'a str),
    Send(&'a str, Vec<(&'a str, &'a str)>, &'a [u8]),
    Subscribe(&'a str, &'a str),
    Unsubscribe(&'a str),
    Ack(bool),
    Begin(&'a str),
    Commit(&'a str),
    Disconnect(Option<&'a str>),
    Wait(u16),
}

fuzz_target!(|steps: Vec<Step>| {
    let mut now = Duration::from_secs(1);
    let mut session = Session::new(Config::new("h"), now).unwrap();
    let mut decoder = Decoder::new(Limits::default());
    let mut last = AckRef::default();
    let mut failed = false;
    let mut disconnected = false;
    for step in steps {
        let mut bytes = Vec::new();
        match step {
            Step::Connected(version) => {
                let version = ["1.0", "1.1", "1.2", "9"][usize::from(version % 4)];
                bytes = format!("CONNECTED\nversion:{version}\nheart-beat:9,9\n\n\0").into_bytes();
            }
            Step::Bytes(raw) => bytes = raw.to_vec(),
            Step::Message(subscription, body) => {
                bytes = format!("MESSAGE\nsubscription:{subscription}\nmessage-id:1\n\n{body}\0")
                    .into_bytes();
            }
            Step::Send(destination, headers, body) => {
                let _ = session.send(destination, &headers, body, ContentLength::Auto);
            }
            Step::Subscribe(id, destination) => {
                let _ = session.subscribe(id, destination, AckMode::Client, &[]);
            }
            Step::Unsubscribe(id) => {
                let _ = session.unsubscribe(id, &[]);
            }
            Step::Ack(true) => {
                let _ = session.ack(&last, &[]);
            }
            Step::Ack(false) => {
                let _ = session.nack(&last, &[]);
            }
            Step::Begin(id) => {
                let _ = session.begin(id, &[]);
            }
            Step::Commit(id) => {
                let _ = session.commit(id, &[]);
            }
            Step::Disconnect(receipt) => {
                let _ = session.disconnect(receipt, &[]);
            }
            Step::Wait(milliseconds) => {
                now += Duration::from_millis(milliseconds.into());
                session.handle_timeout(now);
            }
        }
        let mut input = &bytes[..];
        while !failed && !session.is_closing() {
            match decoder.decode(&mut input, session.dialect()) {
                Ok(Some(frame)) => match session.receive(&frame, now) {
                    Ok(Event::Message { frame, .. }) => last = AckRef::of(&frame),
                    Ok(_) => {}
                    Err(_) => assert!(session.is_closing()),
                },
                Ok(None) => break,
                Err(_) => failed = true,
            }
        }
        while let Some(sent) = session.poll_transmit() {
            if sent == b"\n" {
                continue;
            }
            assert!(!disconnected, "no frame follows DISCONNECT");
            let mut reader = Decoder::new(Limits::default().with_body(1 << 20).with_headers(9999));
            let mut input = &sent[..];
            let frame = reader
                .decode(&mut input, session.dialect())
                .unwrap()
                .expect("a frame");
            disconnected = frame.command() == Command::Disconnect;
            assert!(input.is_empty(), "one frame");
        }
    }
});
