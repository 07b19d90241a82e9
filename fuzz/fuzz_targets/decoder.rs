//! Any bytes, cut anywhere: the same frames, within the limits, and what is decoded can be written
//! and read again.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use stompbox_proto::{Command, ContentLength, Decoder, Dialect, Frame, Limits, encode};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    dialect: u8,
    cuts: Vec<u8>,
    stream: &'a [u8],
}

fn limits() -> Limits {
    Limits::default()
        .with_head(2048)
        .with_header_line(256)
        .with_headers(16)
        .with_body(1024)
}

fn read(stream: &[u8], cuts: &[u8], dialect: Dialect) -> (Vec<Frame>, bool) {
    let mut decoder = Decoder::new(limits());
    let mut frames = Vec::new();
    let mut rest = stream;
    let mut cuts = cuts.iter().map(|cut| usize::from(*cut));
    loop {
        let (mut chunk, after) = rest.split_at(cuts.next().unwrap_or(usize::MAX).min(rest.len()));
        rest = after;
        loop {
            match decoder.decode(&mut chunk, dialect) {
                Ok(Some(frame)) => frames.push(frame.to_frame()),
                Ok(None) => break,
                Err(_) => return (frames, true),
            }
        }
        assert!(chunk.is_empty());
        if rest.is_empty() {
            return (frames, false);
        }
    }
}

fuzz_target!(|input: Input| {
    let dialect = match input.dialect % 4 {
        0 => Dialect::Handshake,
        1 => Dialect::V1_0,
        2 => Dialect::V1_1,
        _ => Dialect::V1_2,
    };
    let (frames, failed) = read(input.stream, &[], dialect);
    let (cut_frames, cut_failed) = read(input.stream, &input.cuts, dialect);
    assert_eq!(frames, cut_frames);
    assert_eq!(failed, cut_failed);
    for frame in frames {
        assert!(frame.headers.len() <= 16 && frame.body.len() <= 1024);
        if frame.command == Command::Other || !frame.command.may_have_body() {
            continue;
        }
        let headers = frame
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let mut bytes = Vec::new();
        let length = ContentLength::Auto;
        if encode(
            &mut bytes,
            dialect,
            frame.command,
            headers,
            &frame.body,
            length,
        )
        .is_err()
        {
            // A lone CR of a 1.0 or 1.1 head can be read but is never written.
            continue;
        }
        let mut decoder = Decoder::new(Limits::default());
        let mut input = &bytes[..];
        let again = decoder
            .decode(&mut input, dialect)
            .unwrap()
            .unwrap()
            .to_frame();
        assert!(input.is_empty());
        assert_eq!(again.body, frame.body);
        let own = |(name, _): &&(String, String)| name != "content-length";
        assert!(
            again
                .headers
                .iter()
                .filter(own)
                .eq(frame.headers.iter().filter(own))
        );
    }
});
