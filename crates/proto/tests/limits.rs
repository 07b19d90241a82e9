//! Each limit: exactly at it passes, one byte over is refused, before more is held.

use stompbox_proto::{DecodeError, Decoder, Dialect, Limits};

fn limits() -> Limits {
    Limits::default()
        .with_command(8)
        .with_header_line(10)
        .with_headers(2)
        .with_head(64)
        .with_body(4)
        .with_handshake(32)
}

/// Whole, and a byte at a time: a limit must not depend on the chunks.
fn decode(stream: &[u8], dialect: Dialect) -> Result<usize, DecodeError> {
    let run = |size: usize| {
        let mut decoder = Decoder::new(limits());
        let mut frames = 0;
        for mut chunk in stream.chunks(size) {
            while decoder.decode(&mut chunk, dialect)?.is_some() {
                frames += 1;
            }
        }
        Ok(frames)
    };
    let whole = run(stream.len());
    let bytes: Result<usize, DecodeError> = run(1);
    let code = |result: &Result<usize, DecodeError>| result.clone().map_err(|e| e.code());
    assert_eq!(
        code(&whole),
        code(&bytes),
        "{:?}",
        String::from_utf8_lossy(stream)
    );
    whole
}

fn code(stream: &[u8], dialect: Dialect) -> &'static str {
    decode(stream, dialect).map_or_else(|error| error.code(), |_| "passes")
}

#[test]
fn command() {
    assert_eq!(code(b"SENDSEND\n\n\0", Dialect::V1_2), "passes");
    assert_eq!(code(b"SENDSEND\r\n\r\n\0", Dialect::V1_2), "passes");
    assert_eq!(code(b"SENDSENDS\n\n\0", Dialect::V1_2), "command-too-long");
    // Refused before its line ends, at the first byte that no end of line can make good.
    assert_eq!(code(b"SENDSENDS", Dialect::V1_2), "command-too-long");
    assert_eq!(code(b"SENDSEND\r", Dialect::V1_2), "passes");
}

#[test]
fn header_line() {
    assert_eq!(code(b"SEND\nname:value\n\n\0", Dialect::V1_2), "passes");
    assert_eq!(
        code(b"SEND\nname:value1\n\n\0", Dialect::V1_2),
        "header-line-too-long"
    );
    assert_eq!(
        code(b"SEND\nnamenamename", Dialect::V1_2),
        "header-line-too-long"
    );
    // The end of the line is not part of it, wherever the stream is cut.
    assert_eq!(
        code(b"SEND\r\nname:value\r\n\r\n\0", Dialect::V1_2),
        "passes"
    );
    assert_eq!(
        code(b"SEND\r\nname:value1\r\n\r\n\0", Dialect::V1_2),
        "header-line-too-long"
    );
}

#[test]
fn number_of_headers() {
    assert_eq!(code(b"SEND\na:1\na:2\n\n\0", Dialect::V1_2), "passes");
    assert_eq!(
        code(b"SEND\na:1\na:2\na:3\n\n\0", Dialect::V1_2),
        "too-many-headers"
    );
}

#[test]
fn head() {
    let limits = limits().with_headers(100);
    let mut decoder = Decoder::new(limits);
    let mut input: &[u8] =
        b"SEND\na:1234567\na:1234567\na:1234567\na:1234567\na:1234567\na:1234567\n";
    let error = decoder.decode(&mut input, Dialect::V1_2).unwrap_err();
    assert_eq!(error, DecodeError::HeadTooLong { limit: 64 });
}

#[test]
fn body() {
    assert_eq!(code(b"SEND\n\n1234\0", Dialect::V1_2), "passes");
    assert_eq!(code(b"SEND\n\n12345\0", Dialect::V1_2), "body-too-long");
    let sized = |length: &str| format!("SEND\ncontent-length:{length}\n\n12345\0").into_bytes();
    let run = |stream: &[u8]| {
        let mut decoder = Decoder::new(limits().with_header_line(99));
        let mut input = stream;
        decoder
            .decode(&mut input, Dialect::V1_2)
            .map(|frame| frame.is_some())
    };
    let error = run(&sized("5")).unwrap_err();
    assert_eq!(
        error,
        DecodeError::BodyTooLong {
            limit: 4,
            length: 5
        }
    );
    // Refused by what is declared; nothing is allocated for it.
    let error = run(&sized("4611686018427387904")).unwrap_err();
    assert_eq!(
        error,
        DecodeError::BodyTooLong {
            limit: 4,
            length: 1 << 62
        }
    );
    for bad in [
        "99999999999999999999999",
        "-1",
        "+1",
        "",
        " 1",
        "1 ",
        "0x1",
        "one",
    ] {
        let error = run(&sized(bad)).unwrap_err();
        assert_eq!(error.code(), "invalid-content-length", "{bad:?}");
    }
}

#[test]
fn handshake() {
    let frame = |length: usize| {
        let head = "CONNECT\nlogin:\n\n\0".len();
        format!("CONNECT\nlogin:{}\n\n\0", "x".repeat(length - head)).into_bytes()
    };
    // The NUL is not counted.
    assert_eq!(code(&frame(33), Dialect::Handshake), "passes");
    assert_eq!(code(&frame(34), Dialect::Handshake), "handshake-too-long");
    assert_eq!(code(b"CONNECT\n\n1234\0", Dialect::Handshake), "passes");
    assert_eq!(
        code(b"CONNECT\n\n12345\0", Dialect::Handshake),
        "body-too-long"
    );
}

#[test]
fn an_error_is_final() {
    let mut decoder = Decoder::new(limits());
    let mut input: &[u8] = b"SEND\nno colon\n";
    let first = decoder.decode(&mut input, Dialect::V1_2).unwrap_err();
    let mut input: &[u8] = b"SEND\n\n\0";
    assert_eq!(
        decoder.decode(&mut input, Dialect::V1_2).unwrap_err(),
        first
    );
    assert_eq!(
        first.to_string(),
        "the header line at byte 5 of the frame has no colon"
    );
}

#[test]
fn other_protocols_are_refused_at_their_first_line() {
    for stream in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"SEND destination\n",
        b"HELO \xff\xfe\n",
    ] {
        let mut decoder = Decoder::new(Limits::default());
        let mut input = stream;
        let error = decoder.decode(&mut input, Dialect::Handshake).unwrap_err();
        assert!(
            ["invalid-command", "nul-in-head"].contains(&error.code()),
            "{error}"
        );
    }
}

#[test]
fn limits_may_be_as_large_as_numbers_go() {
    let limits = Limits::default()
        .with_command(usize::MAX)
        .with_header_line(usize::MAX)
        .with_headers(usize::MAX)
        .with_head(usize::MAX)
        .with_body(usize::MAX)
        .with_handshake(usize::MAX);
    for dialect in [Dialect::Handshake, Dialect::V1_2] {
        let mut decoder = Decoder::new(limits.clone());
        let mut input: &[u8] = b"SEND\n\nbody\0SEND\ncontent-length:1\n\n\0\0";
        for body in [&b"body"[..], b"\0"] {
            let frame = decoder.decode(&mut input, dialect).unwrap().unwrap();
            assert_eq!(frame.body(), body);
        }
        let mut input: &[u8] = b"SEND\ncontent-length:18446744073709551615\n\nx";
        let error = decoder.decode(&mut input, dialect).unwrap_err();
        assert!(error.is_limit(), "{error}");
    }
}

#[test]
fn a_dialect_that_changes_within_a_frame_does_no_harm() {
    let mut decoder = Decoder::new(limits().with_body(1000));
    let mut input: &[u8] = &[b"SEND\n\n".as_slice(), &[b'x'; 500]].concat();
    assert!(decoder.decode(&mut input, Dialect::V1_2).unwrap().is_none());
    let mut input: &[u8] = b"more";
    let error = decoder.decode(&mut input, Dialect::Handshake).unwrap_err();
    assert_eq!(error.code(), "handshake-too-long");
}

#[test]
fn a_carriage_return_in_a_command_is_refused_wherever_the_stream_is_cut() {
    for stream in [&b"SE\rND\n\n\0"[..], b"SEND\r\r\n\n\0", b"\rSEND\n\n\0"] {
        for at in 0..=stream.len() {
            let mut decoder = Decoder::new(Limits::default());
            let (mut first, mut second) = stream.split_at(at);
            let result = decoder
                .decode(&mut first, Dialect::V1_2)
                .map(|frame| frame.is_some())
                .and_then(|_| {
                    decoder
                        .decode(&mut second, Dialect::V1_2)
                        .map(|frame| frame.is_some())
                });
            let error = result.expect_err("an error");
            assert_eq!(error.code(), "invalid-command", "cut at {at}");
        }
    }
}
