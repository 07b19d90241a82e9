//! What holds for all frames and all ways of cutting a stream.

use proptest::prelude::*;
use stompbox_proto::{
    Command, ContentLength, DecodeError, Decoder, Dialect, Frame, Limits, encode,
};

const COMMANDS: [Command; 6] = [
    Command::Send,
    Command::Message,
    Command::Error,
    Command::Subscribe,
    Command::Receipt,
    Command::Connected,
];

fn dialects() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![Dialect::V1_0, Dialect::V1_1, Dialect::V1_2])
}

/// Text with many octets that have to be escaped.
fn text(least: usize) -> impl Strategy<Value = String> {
    let octet = prop_oneof![
        4 => prop::char::range('a', 'z'),
        1 => prop::sample::select(vec!['\n', '\r', ':', '\\', ' ', 'é', '🦀']),
    ];
    prop::collection::vec(octet, least..12).prop_map(|chars| chars.into_iter().collect())
}

fn frames() -> impl Strategy<Value = Frame> {
    let headers = prop::collection::vec((text(1), text(0)), 0..6);
    let body = prop::collection::vec(any::<u8>(), 0..300);
    (prop::sample::select(COMMANDS.to_vec()), headers, body).prop_map(|(command, headers, body)| {
        let body = if command.may_have_body() {
            body
        } else {
            Vec::new()
        };
        let own = |(name, _): &(String, String)| name != "content-length";
        Frame {
            command,
            headers: headers.into_iter().filter(own).collect(),
            body,
        }
    })
}

fn write(frame: &Frame, dialect: Dialect, out: &mut Vec<u8>) -> bool {
    let headers = frame
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    encode(
        out,
        dialect,
        frame.command,
        headers,
        &frame.body,
        ContentLength::Auto,
    )
    .is_ok()
}

fn read(
    stream: &[u8],
    chunks: impl Iterator<Item = usize>,
    dialect: Dialect,
) -> (Vec<Frame>, Option<DecodeError>) {
    let mut decoder = Decoder::new(Limits::default());
    let mut frames = Vec::new();
    let mut rest = stream;
    for size in chunks.chain(std::iter::repeat(usize::MAX)) {
        let (mut chunk, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        loop {
            match decoder.decode(&mut chunk, dialect) {
                Ok(Some(frame)) => frames.push(frame.to_frame()),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(
            chunk.is_empty(),
            "a decoder that wants more has used all it got"
        );
        if rest.is_empty() {
            break;
        }
    }
    (frames, None)
}

/// What a frame becomes on its way: a length is added, 1.0 trims.
fn expected(frame: &Frame, dialect: Dialect) -> Frame {
    let mut frame = frame.clone();
    if dialect == Dialect::V1_0 {
        for (name, value) in &mut frame.headers {
            *name = name.trim_matches(' ').into();
            *value = value.trim_matches(' ').into();
        }
    }
    if !frame.body.is_empty() {
        frame
            .headers
            .push(("content-length".into(), frame.body.len().to_string()));
    }
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_encoded_is_decoded(frame in frames(), dialect in dialects()) {
        let mut bytes = Vec::new();
        if write(&frame, dialect, &mut bytes) {
            let (decoded, error) = read(&bytes, std::iter::empty(), dialect);
            prop_assert_eq!(error, None);
            prop_assert_eq!(decoded, vec![expected(&frame, dialect)]);
        } else {
            // What can't be expressed leaves nothing behind.
            prop_assert!(bytes.is_empty());
        }
    }

    #[test]
    fn version_1_2_expresses_every_text(frame in frames()) {
        prop_assume!(frame.command != Command::Connected);
        prop_assert!(write(&frame, Dialect::V1_2, &mut Vec::new()));
    }

    #[test]
    fn any_cut_of_a_stream_gives_the_same_frames(
        all in prop::collection::vec((frames(), "[\n]{0,3}"), 1..5),
        chunks in prop::collection::vec(1usize..40, 0..200),
        dialect in dialects(),
    ) {
        let mut stream = Vec::new();
        for (frame, beats) in &all {
            stream.extend_from_slice(beats.as_bytes());
            write(frame, dialect, &mut stream);
        }
        let whole = read(&stream, std::iter::empty(), dialect);
        prop_assert_eq!(&whole, &read(&stream, chunks.into_iter(), dialect));
        prop_assert_eq!(&whole, &read(&stream, std::iter::repeat(1), dialect));
    }

    #[test]
    fn any_cut_of_garbage_gives_the_same_frames(
        stream in prop::collection::vec(
            prop_oneof![
                prop::sample::select(b"SEND\n:\r\\\0a1content-length:3\n\n\0".to_vec()),
                any::<u8>(),
            ],
            0..400,
        ),
        chunks in prop::collection::vec(1usize..20, 0..200),
        dialect in dialects(),
    ) {
        let whole = read(&stream, std::iter::empty(), dialect);
        let cut = read(&stream, chunks.into_iter(), dialect);
        // Which of two faults is found first may depend on the cut; that one is found may not.
        prop_assert_eq!(&whole.0, &cut.0);
        prop_assert_eq!(whole.1.is_some(), cut.1.is_some());
    }

    // Random octets seldom get beyond a head's first line; these are one step from a valid stream.
    #[test]
    fn any_cut_of_a_damaged_stream_gives_the_same_frames(
        all in prop::collection::vec((frames(), "[\n]{0,3}"), 1..4),
        damage in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(b"\r\n:\0\\ x\xff9".to_vec())),
            1..4,
        ),
        crlf in any::<bool>(),
        dialect in dialects(),
    ) {
        let mut stream = Vec::new();
        for (frame, beats) in &all {
            stream.extend_from_slice(beats.as_bytes());
            write(frame, dialect, &mut stream);
        }
        if crlf {
            stream = stream
                .iter()
                .flat_map(|octet| if *octet == b'\n' { vec![b'\r', b'\n'] } else { vec![*octet] })
                .collect();
        }
        for (place, octet) in &damage {
            stream.insert(place.index(stream.len() + 1), *octet);
        }
        let whole = read(&stream, std::iter::empty(), dialect);
        for at in 0..stream.len().min(120) {
            let cut = read(&stream, [at].into_iter(), dialect);
            prop_assert_eq!(&whole.0, &cut.0, "cut at {}", at);
            prop_assert_eq!(whole.1.is_some(), cut.1.is_some(), "cut at {}", at);
        }
        let cut = read(&stream, std::iter::repeat(1), dialect);
        prop_assert_eq!(&whole.0, &cut.0);
        prop_assert_eq!(whole.1.is_some(), cut.1.is_some());
    }

    // The decoder reads a head that is the one before's no second time.
    #[test]
    fn a_frame_means_the_same_whatever_came_before(
        kinds in prop::collection::vec((frames(), dialects(), any::<bool>()), 1..4),
        order in prop::collection::vec((any::<prop::sample::Index>(), "[a-c]{0,2}"), 1..24),
        chunk in 1usize..60,
    ) {
        let mut decoder = Decoder::new(Limits::default());
        let mut before = None;
        for (kind, body) in &order {
            let (frame, dialect, sized) = &kinds[kind.index(kinds.len())];
            let headers = frame.headers.iter().map(|(n, v)| (n.as_str(), v.as_str()));
            let length = if *sized { ContentLength::Auto } else { ContentLength::Never };
            let body = if frame.command.may_have_body() { body.as_bytes() } else { b"" };
            let mut bytes = Vec::new();
            if encode(&mut bytes, *dialect, frame.command, headers, body, length).is_err() {
                continue;
            }
            let alone = Decoder::new(Limits::default())
                .decode(&mut &bytes[..], *dialect)
                .map(|frame| frame.map(|frame| frame.to_frame()));
            let head = bytes[..bytes.len() - 1 - body.len()].to_vec();
            let mut found = None;
            for mut part in bytes.chunks(chunk) {
                while let Some(frame) = decoder.decode(&mut part, *dialect).expect("a frame") {
                    prop_assert!(!frame.repeats_head() || before == Some((head.clone(), *dialect)));
                    let owned = frame.to_frame();
                    if let Some(lines) = frame.plain_lines() {
                        let pairs = lines.split_terminator('\n').filter_map(|l| l.split_once(':'));
                        let pairs = pairs.map(|(n, v)| (n.to_owned(), v.to_owned()));
                        prop_assert_eq!(pairs.collect::<Vec<_>>(), owned.headers.clone());
                    }
                    found = Some(owned);
                }
            }
            prop_assert_eq!(Ok(found), alone);
            before = Some((head, *dialect));
        }
    }
}
