//! The vectors of `spec/*.txt`: one for each MUST and MUST NOT of the specifications that a codec or a
//! session can keep. Those that need a broker are in `crates/server/tests/spec`.
//!
//! A file is a list of blocks. `== name` begins one, then come lines `key: value`:
//!
//! - `clause`: the words of the specification, once or more.
//! - `as`: `decode VERSION`, `encode VERSION COMMAND`, `server VERSION` or `client VERSION`. The
//!   sessions are connected in that version; with `new` in its place they are not connected.
//! - `in`: bytes that come. `do`: a client's request. Both in order.
//! - `header` (`name=value`), `body`: what is encoded.
//! - `frame`: a decoded frame, as `COMMAND|name=value|…|body`.
//! - `out`: for `encode` all of the output; for sessions a part of it, in order. `not`: what it must
//!   not hold.
//! - `error`: the code of the error. `closing`: the session ends.
//!
//! `\n`, `\r`, `\0`, `\\` and `\xHH` are octets. What comes in is fed whole, byte by byte, and cut in
//! two at every place.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use stompbox_proto::{
    AckMode, Command, ContentLength, Decoder, Dialect, HeartBeat, Limits, Version, Versions,
    client::{self, AckRef},
    encode, server,
};

#[derive(Debug, Default)]
struct Vector {
    name: String,
    clauses: Vec<String>,
    role: Vec<String>,
    steps: Vec<Step>,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    frames: Vec<String>,
    out: Vec<Vec<u8>>,
    not: Vec<Vec<u8>>,
    error: Option<String>,
    closing: bool,
}

#[derive(Debug)]
enum Step {
    In(Vec<u8>),
    Do(String),
}

fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        octets.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("\\x{digits}"))
            }
            other => panic!("escape {other:?} in {text:?}"),
        });
    }
    octets
}

fn text(text: &str) -> String {
    String::from_utf8(octets(text)).expect("text is UTF-8")
}

fn parse(file: &str) -> Vec<Vector> {
    let mut vectors: Vec<Vector> = Vec::new();
    for line in file
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line.strip_prefix("== ") {
            vectors.push(Vector {
                name: name.into(),
                ..Vector::default()
            });
            continue;
        }
        let vector = vectors.last_mut().expect("a block begins with ==");
        let (key, value) = line
            .split_once(':')
            .unwrap_or_else(|| panic!("no key: {line:?}"));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match key {
            "clause" => vector.clauses.push(value.into()),
            "as" => vector.role = value.split(' ').map(Into::into).collect(),
            "in" => vector.steps.push(Step::In(octets(value))),
            "do" => vector.steps.push(Step::Do(value.into())),
            "header" => {
                let (name, value) = value.split_once('=').expect("name=value");
                vector.headers.push((text(name), text(value)));
            }
            "body" => vector.body = octets(value),
            "frame" => vector.frames.push(value.into()),
            "out" => vector.out.push(octets(value)),
            "not" => vector.not.push(octets(value)),
            "error" => vector.error = Some(value.into()),
            "closing" => vector.closing = true,
            other => panic!("key {other:?} in {}", vector.name),
        }
    }
    vectors
}

/// What a run gave.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    frames: Vec<String>,
    out: Vec<u8>,
    error: Option<String>,
    closing: bool,
}

fn version(text: &str) -> Option<Version> {
    (text != "new").then(|| text.parse().unwrap_or_else(|_| panic!("version {text:?}")))
}

fn run(vector: &Vector, cut: &dyn Fn(&[u8]) -> Vec<Vec<u8>>) -> Outcome {
    let role: Vec<&str> = vector.role.iter().map(String::as_str).collect();
    match role[..] {
        ["decode", v] => run_decode(vector, version(v), cut),
        ["encode", v, command] => run_encode(vector, version(v), command),
        ["server", v] => run_server(vector, version(v), cut),
        ["client", v] => run_client(vector, version(v), cut),
        _ => panic!("as: {role:?} in {}", vector.name),
    }
}

fn dialect(version: Option<Version>) -> Dialect {
    version.map_or(Dialect::Handshake, Dialect::from)
}

fn run_decode(
    vector: &Vector,
    version: Option<Version>,
    cut: &dyn Fn(&[u8]) -> Vec<Vec<u8>>,
) -> Outcome {
    let mut decoder = Decoder::new(Limits::default());
    let mut outcome = Outcome::default();
    for step in &vector.steps {
        let Step::In(bytes) = step else {
            panic!("do: in {}", vector.name)
        };
        for chunk in cut(bytes) {
            let mut input = &chunk[..];
            loop {
                match decoder.decode(&mut input, dialect(version)) {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        let mut text = frame.command_text().to_owned();
                        for (name, value) in frame.headers() {
                            write!(text, "|{name}={value}").unwrap();
                        }
                        write!(text, "|{}", String::from_utf8_lossy(frame.body())).unwrap();
                        outcome.frames.push(text.escape_default().to_string());
                    }
                    Err(error) => {
                        outcome.error = Some(error.code().into());
                        return outcome;
                    }
                }
            }
        }
    }
    outcome
}

fn run_encode(vector: &Vector, version: Option<Version>, command: &str) -> Outcome {
    let command = [
        Command::Connect,
        Command::Connected,
        Command::Send,
        Command::Subscribe,
        Command::Message,
        Command::Error,
    ]
    .into_iter()
    .find(|c| c.as_str() == command)
    .unwrap_or_else(|| panic!("command {command:?}"));
    let headers = vector
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let mut out = Vec::new();
    let dialect = dialect(version);
    let result = encode(
        &mut out,
        dialect,
        command,
        headers,
        &vector.body,
        ContentLength::Auto,
    );
    Outcome {
        out,
        error: result.err().map(|_| "encode".into()),
        ..Outcome::default()
    }
}

const NOW: Duration = Duration::from_secs(1);

fn run_server(
    vector: &Vector,
    version: Option<Version>,
    cut: &dyn Fn(&[u8]) -> Vec<Vec<u8>>,
) -> Outcome {
    let config = server::Config {
        heart_beat: HeartBeat::new(4000, 5000),
        ..Default::default()
    };
    let mut session = server::Session::new(config, NOW);
    let mut decoder = Decoder::new(Limits::default());
    let mut outcome = Outcome::default();
    if let Some(version) = version {
        let connect = format!("CONNECT\naccept-version:{version}\nhost:h\n\n\0");
        serve(&mut session, &mut decoder, connect.as_bytes(), &mut outcome);
        outcome = Outcome::default();
    }
    for step in &vector.steps {
        match step {
            Step::In(bytes) => {
                for chunk in cut(bytes) {
                    serve(&mut session, &mut decoder, &chunk, &mut outcome);
                }
            }
            Step::Do(wait) => {
                let milliseconds: u64 = wait.strip_prefix("wait ").unwrap().parse().unwrap();
                session.handle_timeout(NOW + Duration::from_millis(milliseconds));
                outcome
                    .out
                    .extend(std::iter::from_fn(|| session.poll_transmit()).flatten());
            }
        }
    }
    outcome.closing = session.is_closing();
    outcome
}

fn serve(
    session: &mut server::Session,
    decoder: &mut Decoder,
    chunk: &[u8],
    outcome: &mut Outcome,
) {
    use server::Event;
    session.heard(NOW);
    let mut input = chunk;
    loop {
        let frame = match decoder.decode(&mut input, session.dialect()) {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) => {
                session.decode_failed(&error);
                outcome.error.get_or_insert_with(|| error.code().into());
                break;
            }
        };
        match session.receive(&frame, NOW) {
            Err(error) => {
                outcome.error.get_or_insert_with(|| error.code().into());
            }
            Ok(Event::Connect {
                login, passcode, ..
            }) => {
                let seen = format!(
                    "{}/{}",
                    login.unwrap_or_default(),
                    passcode.unwrap_or_default()
                );
                session.accept("s", &[("seen", &seen)], NOW);
            }
            Ok(Event::Disconnect { receipt }) => {
                if let Some(receipt) = receipt {
                    session.receipt(&receipt, NOW);
                }
                session.close();
            }
            Ok(
                Event::Send { receipt, .. }
                | Event::Subscribe { receipt, .. }
                | Event::Unsubscribe { receipt, .. }
                | Event::Ack { receipt, .. }
                | Event::Nack { receipt, .. }
                | Event::Begin { receipt, .. }
                | Event::Commit { receipt, .. }
                | Event::Abort { receipt, .. },
            ) => {
                if let Some(receipt) = receipt {
                    session.receipt(&receipt, NOW);
                }
            }
            Ok(Event::Ignored) => {}
        }
    }
    outcome
        .out
        .extend(std::iter::from_fn(|| session.poll_transmit()).flatten());
}

fn run_client(
    vector: &Vector,
    version: Option<Version>,
    cut: &dyn Fn(&[u8]) -> Vec<Vec<u8>>,
) -> Outcome {
    let config = client::Config {
        versions: version.map_or(Versions::ALL, Versions::only),
        login: Some("me".into()),
        ..client::Config::new("h")
    };
    let mut session = client::Session::new(config, NOW).unwrap();
    let mut decoder = Decoder::new(Limits::default());
    let mut outcome = Outcome::default();
    let mut last = AckRef::default();
    if let Some(version) = version {
        let connected = format!("CONNECTED\nversion:{version}\nheart-beat:4000,5000\n\n\0");
        listen(
            &mut session,
            &mut decoder,
            connected.as_bytes(),
            &mut outcome,
            &mut last,
        );
        outcome = Outcome::default();
    }
    outcome
        .out
        .extend(std::iter::from_fn(|| session.poll_transmit()).flatten());
    for step in &vector.steps {
        match step {
            Step::In(bytes) => {
                for chunk in cut(bytes) {
                    listen(&mut session, &mut decoder, &chunk, &mut outcome, &mut last);
                }
            }
            Step::Do(line) => {
                let words: Vec<&str> = line.split(' ').collect();
                let result = match words[..] {
                    ["send", destination] => {
                        session.send(destination, &[], b"", ContentLength::Auto)
                    }
                    ["send", destination, "tx", id] => session.send(
                        destination,
                        &[("transaction", id)],
                        b"",
                        ContentLength::Auto,
                    ),
                    ["subscribe", id, destination] => {
                        session.subscribe(id, destination, AckMode::Client, &[])
                    }
                    ["unsubscribe", id] => session.unsubscribe(id, &[]),
                    ["ack"] => session.ack(&last, &[]),
                    ["nack"] => session.nack(&last, &[]),
                    ["begin", id] => session.begin(id, &[]),
                    ["commit", id] => session.commit(id, &[]),
                    ["disconnect", receipt] => session.disconnect(Some(receipt), &[]),
                    ["wait", milliseconds] => {
                        let wait = Duration::from_millis(milliseconds.parse().unwrap());
                        session.handle_timeout(NOW + wait);
                        Ok(())
                    }
                    _ => panic!("do: {line:?} in {}", vector.name),
                };
                if result.is_err() {
                    outcome.error.get_or_insert_with(|| "request".into());
                }
            }
        }
        outcome
            .out
            .extend(std::iter::from_fn(|| session.poll_transmit()).flatten());
    }
    outcome.closing = session.is_closing();
    outcome
}

fn listen(
    session: &mut client::Session,
    decoder: &mut Decoder,
    chunk: &[u8],
    outcome: &mut Outcome,
    last: &mut AckRef,
) {
    session.heard(NOW);
    let mut input = chunk;
    loop {
        match decoder.decode(&mut input, session.dialect()) {
            Ok(None) => break,
            Ok(Some(frame)) => match session.receive(&frame, NOW) {
                Ok(client::Event::Message { frame, .. }) => {
                    *last = AckRef::of(&frame);
                    outcome
                        .frames
                        .push(format!("MESSAGE|{}", frame.body().len()));
                }
                Ok(_) => outcome.frames.push(frame.command_text().to_owned()),
                Err(error) => outcome.error = Some(error.code().into()),
            },
            Err(error) => {
                outcome.error = Some(error.code().into());
                break;
            }
        }
    }
    outcome
        .out
        .extend(std::iter::from_fn(|| session.poll_transmit()).flatten());
}

fn check(vector: &Vector, outcome: &Outcome) -> Result<(), String> {
    if outcome.error != vector.error {
        return Err(format!(
            "error {:?}, expected {:?}",
            outcome.error, vector.error
        ));
    }
    if vector.closing && !outcome.closing {
        return Err("the session goes on".into());
    }
    if !vector.frames.is_empty() && outcome.frames != vector.frames {
        return Err(format!("frames {:?}", outcome.frames));
    }
    let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
    if vector.role[0] == "encode" {
        return match vector.out.first() {
            Some(out) if *out != outcome.out => Err(format!("out {}", show(&outcome.out))),
            _ => Ok(()),
        };
    }
    let mut rest = &outcome.out[..];
    for part in &vector.out {
        let at = rest.windows(part.len()).position(|window| window == part);
        let Some(at) = at else {
            return Err(format!("no {} in {}", show(part), show(&outcome.out)));
        };
        rest = &rest[at + part.len()..];
    }
    for part in &vector.not {
        if outcome.out.windows(part.len()).any(|window| window == part) {
            return Err(format!("{} in {}", show(part), show(&outcome.out)));
        }
    }
    Ok(())
}

fn run_file(name: &str, at_least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let vectors = parse(&fs::read_to_string(folder.join(name)).unwrap());
    assert!(
        vectors.len() >= at_least,
        "{name} has {} vectors",
        vectors.len()
    );
    let mut failures = String::new();
    for vector in &vectors {
        assert!(!vector.clauses.is_empty(), "{} has no clause", vector.name);
        let longest = vector.steps.iter().map(|step| match step {
            Step::In(bytes) => bytes.len(),
            Step::Do(_) => 0,
        });
        let longest = longest.max().unwrap_or(0);
        // 0: whole; then each cut in two; beyond them a byte at a time.
        for at in 0..=longest {
            let cut = move |bytes: &[u8]| -> Vec<Vec<u8>> {
                if at == longest {
                    return bytes.iter().map(|octet| vec![*octet]).collect();
                }
                let (first, second) = bytes.split_at(at.min(bytes.len()));
                vec![first.to_vec(), second.to_vec()]
            };
            if let Err(problem) = check(vector, &run(vector, &cut)) {
                writeln!(failures, "{}, cut at {at}: {problem}", vector.name).unwrap();
                break;
            }
        }
    }
    assert!(failures.is_empty(), "{name}:\n{failures}");
}

#[test]
fn stomp_1_0() {
    run_file("1.0.txt", 22);
}

#[test]
fn stomp_1_1() {
    run_file("1.1.txt", 41);
}

#[test]
fn stomp_1_2() {
    run_file("1.2.txt", 64);
}
