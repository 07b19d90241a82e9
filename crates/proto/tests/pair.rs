//! Client and server session against each other, on a virtual clock, over a link that cuts the
//! stream as it likes.

use std::time::Duration;

use stompbox_proto::{
    AckMode, Command, ContentLength, Decoder, HeartBeat, Limits, Version, Versions,
    client::{self, AckRef},
    encode,
    server::{self, AckTarget},
};

const SECOND: Duration = Duration::from_secs(1);

struct Pair {
    now: Duration,
    client: client::Session,
    server: server::Session,
    to_client: Decoder,
    to_server: Decoder,
    /// Bytes a chunk.
    cut: usize,
    /// What each end saw.
    client_saw: Vec<String>,
    server_saw: Vec<String>,
    acks: Vec<AckRef>,
    /// Whether what the server sends arrives.
    link_up: bool,
}

impl Pair {
    fn new(client: client::Config, server: server::Config, cut: usize) -> Self {
        Self {
            now: SECOND,
            client: client::Session::new(client, SECOND).unwrap(),
            server: server::Session::new(server, SECOND),
            to_client: Decoder::new(Limits::default()),
            to_server: Decoder::new(Limits::default()),
            cut,
            client_saw: Vec::new(),
            server_saw: Vec::new(),
            acks: Vec::new(),
            link_up: true,
        }
    }

    fn connected(version: Version, cut: usize) -> Self {
        let config = client::Config {
            versions: Versions::only(version),
            ..client::Config::new("localhost")
        };
        let mut pair = Self::new(config, server::Config::default(), cut);
        pair.drive();
        assert_eq!(pair.client.version(), Some(version));
        assert_eq!(pair.server.version(), Some(version));
        pair.client_saw.clear();
        pair.server_saw.clear();
        pair
    }

    /// Moves bytes until nothing more is to be moved.
    fn drive(&mut self) {
        loop {
            let up: Vec<u8> = std::iter::from_fn(|| self.client.poll_transmit())
                .flatten()
                .collect();
            let down: Vec<u8> = std::iter::from_fn(|| self.server.poll_transmit())
                .flatten()
                .collect();
            if up.is_empty() && down.is_empty() {
                return;
            }
            for chunk in up.chunks(self.cut) {
                self.serve(chunk);
            }
            if self.link_up {
                for chunk in down.chunks(self.cut) {
                    self.listen(chunk);
                }
            }
        }
    }

    fn serve(&mut self, chunk: &[u8]) {
        self.server.heard(self.now);
        let mut input = chunk;
        while let Some(frame) = self
            .to_server
            .decode(&mut input, self.server.dialect())
            .expect("well-formed")
        {
            let event = match self.server.receive(&frame, self.now) {
                Ok(event) => event,
                Err(error) => {
                    self.server_saw.push(format!("error {}", error.code()));
                    continue;
                }
            };
            let (saw, receipt) = match event {
                server::Event::Connect { .. } => {
                    self.server.accept("s1", &[], self.now);
                    ("connect".to_owned(), None)
                }
                server::Event::Send {
                    destination,
                    transaction,
                    receipt,
                    frame,
                } => {
                    let body = String::from_utf8_lossy(frame.body());
                    let transaction = transaction.as_deref().unwrap_or("-");
                    (format!("send {destination} {transaction} {body}"), receipt)
                }
                server::Event::Subscribe {
                    id,
                    destination,
                    ack,
                    receipt,
                    ..
                } => (format!("subscribe {id} {destination} {ack}"), receipt),
                server::Event::Unsubscribe { id, receipt, .. } => {
                    (format!("unsubscribe {id}"), receipt)
                }
                server::Event::Ack {
                    target, receipt, ..
                } => (format!("ack {}", name(&target)), receipt),
                server::Event::Nack {
                    target, receipt, ..
                } => (format!("nack {}", name(&target)), receipt),
                server::Event::Begin {
                    transaction,
                    receipt,
                } => (format!("begin {transaction}"), receipt),
                server::Event::Commit {
                    transaction,
                    receipt,
                } => (format!("commit {transaction}"), receipt),
                server::Event::Abort {
                    transaction,
                    receipt,
                } => (format!("abort {transaction}"), receipt),
                server::Event::Disconnect { receipt } => {
                    self.server
                        .receipt(receipt.as_deref().unwrap_or_default(), self.now);
                    self.server.close();
                    ("disconnect".to_owned(), None)
                }
                server::Event::Ignored => ("ignored".to_owned(), None),
            };
            self.server_saw.push(saw);
            if let Some(receipt) = receipt {
                self.server.receipt(&receipt, self.now);
            }
        }
    }

    fn listen(&mut self, chunk: &[u8]) {
        self.client.heard(self.now);
        let mut input = chunk;
        while let Some(frame) = self
            .to_client
            .decode(&mut input, self.client.dialect())
            .expect("well-formed")
        {
            let saw = match self
                .client
                .receive(&frame, self.now)
                .expect("a server that behaves")
            {
                client::Event::Connected { version, .. } => format!("connected {version}"),
                client::Event::Message {
                    subscription,
                    known,
                    frame,
                } => {
                    self.acks.push(AckRef::of(&frame));
                    let body = String::from_utf8_lossy(frame.body());
                    format!(
                        "message {} {known} {body}",
                        subscription.as_deref().unwrap_or("-")
                    )
                }
                client::Event::Receipt { id, known, .. } => format!("receipt {id} {known}"),
                client::Event::Disconnected { .. } => "disconnected".to_owned(),
                client::Event::Error { frame } => {
                    let id = frame.header("receipt-id").unwrap_or_else(|| "-".into());
                    format!(
                        "error {} {id}",
                        frame.header("x-error-code").unwrap_or_else(|| "-".into())
                    )
                }
                client::Event::Unhandled { .. } => "unhandled".to_owned(),
            };
            self.client_saw.push(saw);
        }
    }

    /// The server sends a MESSAGE.
    fn deliver(&mut self, headers: &[(&str, &str)], body: &[u8]) {
        let mut frame = Vec::new();
        let headers = headers.iter().copied();
        let dialect = self.server.dialect();
        encode(
            &mut frame,
            dialect,
            Command::Message,
            headers,
            body,
            ContentLength::Auto,
        )
        .unwrap();
        for chunk in frame.chunks(self.cut) {
            self.listen(chunk);
        }
    }

    /// Lets time pass, serving timeouts when they are due.
    fn pass(&mut self, time: Duration) -> (Option<client::Timeout>, Option<server::Timeout>) {
        let end = self.now + time;
        loop {
            let due = [self.client.poll_timeout(), self.server.poll_timeout()];
            let next = due.into_iter().flatten().min().filter(|at| *at <= end);
            self.now = next.unwrap_or(end).max(self.now);
            let timeouts = (
                self.client.handle_timeout(self.now),
                self.server.handle_timeout(self.now),
            );
            self.drive();
            if next.is_none() || timeouts != (None, None) {
                return timeouts;
            }
        }
    }
}

fn name(target: &AckTarget<'_>) -> String {
    match target {
        AckTarget::Id(id) => format!("id={id}"),
        AckTarget::Message {
            message_id,
            subscription,
        } => {
            format!(
                "message={message_id} {}",
                subscription.as_deref().unwrap_or("-")
            )
        }
    }
}

/// A conversation with every request, for each version and way of cutting.
fn conversation(version: Version, cut: usize) {
    let mut pair = Pair::connected(version, cut);
    let client = &mut pair.client;
    client
        .subscribe("s", "/queue/a", AckMode::Client, &[("receipt", "r1")])
        .unwrap();
    client.begin("t", &[]).unwrap();
    let headers = [("transaction", "t"), ("receipt", "r2")];
    client
        .send("/queue/a", &headers, b"one\0two", ContentLength::Auto)
        .unwrap();
    client.commit("t", &[]).unwrap();
    client.begin("t", &[]).unwrap();
    client.abort("t", &[("receipt", "r3")]).unwrap();
    pair.drive();
    assert_eq!(
        pair.server_saw,
        [
            "subscribe s /queue/a client",
            "begin t",
            "send /queue/a t one\0two",
            "commit t",
            "begin t",
            "abort t",
        ]
    );
    assert_eq!(
        pair.client_saw,
        ["receipt r1 true", "receipt r2 true", "receipt r3 true"]
    );
    pair.server_saw.clear();
    pair.client_saw.clear();
    let all = [
        ("subscription", "s"),
        ("message-id", "m1"),
        ("destination", "/queue/a"),
        ("ack", "a1"),
        ("colon", "x:y"),
    ];
    pair.deliver(&all, b"body\0");
    assert_eq!(pair.client_saw, ["message s true body\0"]);
    let ack = pair.acks[0].clone();
    pair.client.ack(&ack, &[]).unwrap();
    let nack = pair.client.nack(&ack, &[]);
    assert_eq!(nack.is_err(), version == Version::V1_0, "1.0 has no NACK");
    pair.client.unsubscribe("s", &[]).unwrap();
    pair.drive();
    let form = if version == Version::V1_2 {
        "id=a1"
    } else {
        "message=m1 s"
    };
    let mut expected = vec![
        format!("ack {form}"),
        format!("nack {form}"),
        "unsubscribe s".into(),
    ];
    if version == Version::V1_0 {
        expected.remove(1);
    }
    assert_eq!(pair.server_saw, expected);
    pair.deliver(&all, b"late");
    assert_eq!(pair.client_saw[1], "message s false late");
    pair.client.disconnect(Some("bye"), &[]).unwrap();
    assert!(
        pair.client
            .send("/queue/a", &[], b"", ContentLength::Auto)
            .is_err()
    );
    pair.drive();
    assert_eq!(pair.client_saw[2], "disconnected");
    assert!(pair.client.is_closing() && pair.server.is_closing());
}

#[test]
fn conversations_in_each_version_byte_by_byte_and_whole() {
    for version in Versions::ALL.iter() {
        for cut in [1, 2, 3, 7, 1400, usize::MAX] {
            conversation(version, cut);
        }
    }
}

#[test]
fn every_two_way_split_of_a_client_stream_is_understood_alike() {
    let stream = b"CONNECT\r\naccept-version:1.2\r\nhost:h\r\n\r\n\0\n\r\n\
        SUBSCRIBE\nid:1\ndestination:/queue/a\n\n\0SEND\ndestination:/queue/a\n\
        content-length:3\nreceipt:r\\c1\n\na\0b\0\nDISCONNECT\nreceipt:z\n\n\0";
    for at in 0..=stream.len() {
        let mut pair = Pair::new(
            client::Config::default(),
            server::Config::default(),
            usize::MAX,
        );
        // The stream above takes the place of the client's own.
        while pair.client.poll_transmit().is_some() {}
        pair.link_up = false;
        pair.serve(&stream[..at]);
        pair.serve(&stream[at..]);
        assert_eq!(
            pair.server_saw,
            [
                "connect",
                "subscribe 1 /queue/a auto",
                "send /queue/a - a\0b",
                "disconnect"
            ],
            "cut at {at}"
        );
        let down: Vec<u8> = std::iter::from_fn(|| pair.server.poll_transmit())
            .flatten()
            .collect();
        let down = String::from_utf8(down).unwrap();
        assert!(down.starts_with("CONNECTED\nversion:1.2\n"), "{down}");
        assert!(down.ends_with("RECEIPT\nreceipt-id:r\\c1\n\n\0RECEIPT\nreceipt-id:z\n\n\0"));
    }
}

#[test]
fn heart_beats_keep_both_ends_content_for_an_hour() {
    let config = client::Config {
        heart_beat: HeartBeat::new(3_000, 4_000),
        ..client::Config::new("localhost")
    };
    let mut pair = Pair::new(config, server::Config::default(), usize::MAX);
    pair.drive();
    let ten = Some(Duration::from_secs(10));
    assert_eq!(pair.client.heart_beat(), (ten, ten));
    assert_eq!(pair.server.heart_beat(), (ten, ten));
    assert_eq!(pair.pass(SECOND * 3600), (None, None));
    assert!(pair.client.is_connected() && pair.server.is_connected());
}

#[test]
fn a_silent_server_is_noticed_after_the_tolerance_and_not_before() {
    let mut pair = Pair::connected(Version::V1_2, usize::MAX);
    pair.link_up = false;
    assert_eq!(pair.pass(SECOND * 19), (None, None));
    assert_eq!(
        pair.pass(SECOND * 2),
        (Some(client::Timeout::PeerSilent), None)
    );
    assert!(pair.client.is_closing());
}

#[test]
fn a_beat_after_two_intervals_is_in_time() {
    let ms = Duration::from_millis;
    for (interval, limit) in [(1_000, 2_500), (10_000, 20_500), (100, 250)] {
        let config = client::Config {
            heart_beat: HeartBeat::new(0, interval),
            ..client::Config::new("localhost")
        };
        let mut session = client::Session::new(config, Duration::ZERO).unwrap();
        let mut decoder = Decoder::new(Limits::default());
        let connected = format!("CONNECTED\nversion:1.2\nheart-beat:{interval},0\n\n\0");
        let mut bytes = connected.as_bytes();
        let frame = decoder.decode(&mut bytes, session.dialect());
        session.heard(SECOND);
        session.receive(&frame.unwrap().unwrap(), SECOND).unwrap();
        // After CONNECTED as after all that comes later.
        for heard in [SECOND, SECOND * 3] {
            session.heard(heard);
            let at = heard + ms(limit);
            assert_eq!(session.poll_timeout(), Some(at));
            assert_eq!(session.handle_timeout(at - ms(1)), None);
        }
        let timeout = session.handle_timeout(SECOND * 3 + ms(limit));
        assert_eq!(timeout, Some(client::Timeout::PeerSilent));
    }
}

#[test]
fn a_silent_client_is_noticed_and_told() {
    let config = client::Config {
        heart_beat: HeartBeat::new(1_000, 0),
        ..client::Config::new("localhost")
    };
    let server = server::Config {
        heart_beat: HeartBeat::new(0, 5_000),
        ..server::Config::default()
    };
    let mut pair = Pair::new(config, server, usize::MAX);
    pair.drive();
    let start = pair.now;
    assert_eq!(
        pair.server
            .handle_timeout(start + SECOND * 10 - Duration::from_millis(1)),
        None
    );
    let timeout = pair.server.handle_timeout(start + SECOND * 10);
    assert_eq!(timeout, Some(server::Timeout::PeerSilent));
    pair.drive();
    assert_eq!(pair.client_saw[1], "error heart-beat-lost -");
}

#[test]
fn a_client_that_never_connects_is_dropped() {
    let mut server = server::Session::new(server::Config::default(), SECOND);
    assert_eq!(server.poll_timeout(), Some(SECOND * 11));
    assert_eq!(server.handle_timeout(SECOND * 10), None);
    assert_eq!(
        server.handle_timeout(SECOND * 11),
        Some(server::Timeout::NoConnect)
    );
    assert!(server.is_closing());
    assert!(server.poll_transmit().unwrap().starts_with(b"ERROR\n"));
}

#[test]
fn the_highest_common_version_is_chosen() {
    use Version::{V1_0, V1_1, V1_2};
    for (client, server, common) in [
        (&[V1_0, V1_1, V1_2][..], &[V1_0, V1_1, V1_2][..], Some(V1_2)),
        (&[V1_0, V1_1], &[V1_0, V1_1, V1_2], Some(V1_1)),
        (&[V1_0, V1_2], &[V1_0, V1_1], Some(V1_0)),
        (&[V1_2], &[V1_0, V1_1], None),
    ] {
        let config = client::Config {
            versions: Versions::of(client),
            ..client::Config::new("localhost")
        };
        let server = server::Config {
            versions: Versions::of(server),
            ..server::Config::default()
        };
        let mut pair = Pair::new(config, server, 5);
        pair.drive();
        assert_eq!(pair.client.version(), common);
        if common.is_none() {
            assert_eq!(pair.client_saw, ["error no-common-version -"]);
        }
    }
}

#[test]
fn the_subprotocol_decides_where_the_client_accepts_it() {
    for (accepted, subprotocol, expected) in [
        (Versions::ALL, Some(Version::V1_1), Version::V1_1),
        (Versions::ALL, None, Version::V1_2),
        (
            Versions::only(Version::V1_1),
            Some(Version::V1_2),
            Version::V1_1,
        ),
    ] {
        let config = client::Config {
            versions: accepted,
            ..client::Config::new("localhost")
        };
        let server = server::Config {
            subprotocol,
            ..server::Config::default()
        };
        let mut pair = Pair::new(config, server, usize::MAX);
        pair.drive();
        assert_eq!(pair.client.version(), Some(expected));
    }
}

#[test]
fn requests_that_break_the_rules_are_not_sent() {
    let mut pair = Pair::connected(Version::V1_2, usize::MAX);
    let client = &mut pair.client;
    client
        .subscribe("s", "/queue/a", AckMode::Auto, &[])
        .unwrap();
    assert!(
        client
            .subscribe("s", "/queue/b", AckMode::Auto, &[])
            .is_err()
    );
    assert!(client.unsubscribe("other", &[]).is_err());
    assert!(client.commit("t", &[]).is_err());
    client.begin("t", &[]).unwrap();
    assert!(client.begin("t", &[]).is_err());
    let unknown = [("transaction", "u")];
    assert!(
        client
            .send("/queue/a", &unknown, b"", ContentLength::Auto)
            .is_err()
    );
    assert!(
        client
            .send("/queue/a", &[], b"\0", ContentLength::Never)
            .is_err()
    );
    assert!(
        client
            .send(
                "/queue/a",
                &[("content-length", "9")],
                b"x",
                ContentLength::Auto
            )
            .is_err()
    );
    assert!(client.ack(&AckRef::default(), &[]).is_err());
    pair.drive();
    assert_eq!(pair.server_saw, ["subscribe s /queue/a auto", "begin t"]);
}

#[test]
fn connect_can_not_be_made_to_inject_a_header() {
    let passcode = |passcode: &str| client::Config {
        passcode: Some(passcode.into()),
        ..client::Config::new("localhost")
    };
    assert!(client::Session::new(passcode("a\nlogin:root"), SECOND).is_err());
    assert!(client::Session::new(passcode("a\0"), SECOND).is_err());
    let mut session = client::Session::new(passcode("a:b\\c"), SECOND).unwrap();
    let connect = session.poll_transmit().unwrap();
    assert!(
        connect.ends_with(b"\npasscode:a:b\\c\n\n\0"),
        "written as it is"
    );
}

#[test]
fn a_send_into_a_buffer_of_the_hosts_is_as_one_that_is_queued() {
    let mut pair = Pair::connected(Version::V1_2, 1 << 20);
    let headers = [("receipt", "r1"), ("x", "a:b"), ("destination", "/ignored")];
    let auto = ContentLength::Auto;
    let mut out = b"before".to_vec();
    let written = pair
        .client
        .send_into(&mut out, "/queue/a", headers.into_iter(), b"body", auto);
    assert_eq!(written, Ok(()));
    pair.client
        .send("/queue/a", &headers, b"body", auto)
        .unwrap();
    let queued = pair.client.poll_transmit().unwrap();
    assert_eq!(out.strip_prefix(b"before"), Some(&*queued));
    let unknown = [("transaction", "t1")];
    let refused = pair
        .client
        .send_into(&mut out, "/queue/a", unknown.into_iter(), b"", auto);
    assert_eq!(
        refused,
        Err(client::RequestError::UnknownTransaction("t1".into()))
    );
    pair.client.begin("t1", &[]).unwrap();
    let written = pair
        .client
        .send_into(&mut out, "/queue/a", unknown.into_iter(), b"", auto);
    assert_eq!(written, Ok(()));
    pair.client.close();
    let refused = pair
        .client
        .send_into(&mut out, "/queue/a", unknown.into_iter(), b"", auto);
    assert_eq!(refused, Err(client::RequestError::NotConnected));
}
