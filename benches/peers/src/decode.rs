//! Decoding: the stream whole, or in the chunks that a socket gives.

use std::hint::black_box;

use stompbox_proto::{Decoder, Dialect, Limits};

use crate::{
    measure::{Contender, Kind, Table, measure},
    peers,
    workload::Workload,
};

/// Every contender on one workload.
pub(crate) fn run(work: &Workload, chunk: Option<usize>) -> Table {
    let size = chunk.unwrap_or(work.stream.len());
    let cut = chunk.map_or_else(
        || "whole".to_owned(),
        |size| format!("in {size}-byte chunks"),
    );
    let title = format!("decode {} {cut}", work.name);
    let mut contenders: Vec<Contender<'_>> = vec![
        ("stompbox", Kind::Ours, Box::new(|| ours(work, size, false))),
        // Does more than a decode: names and values are unescaped only when they are read.
        (
            "stompbox, all headers read",
            Kind::Other,
            Box::new(|| ours(work, size, true)),
        ),
        (
            "iridium-stomp",
            Kind::Peer,
            Box::new(|| peers::iridium(&work.stream, size)),
        ),
        (
            "async-stomp",
            Kind::Peer,
            Box::new(|| peers::async_stomp(&work.stream, size)),
        ),
        (
            "stomp-rs",
            Kind::Peer,
            Box::new(|| peers::stomp_rs(&work.stream, size)),
        ),
        ("memcpy", Kind::Limit, Box::new(|| copy(work, size))),
    ];
    if work.sized {
        contenders.push(("memchr2 scan", Kind::Limit, Box::new(|| scan(work, size))));
    }
    measure(title, work.frames, contenders)
}

fn ours(work: &Workload, size: usize, read: bool) -> usize {
    let mut decoder = Decoder::new(Limits::default());
    let mut frames = 0;
    for chunk in work.stream.chunks(size) {
        let mut input = black_box(chunk);
        while let Some(frame) = decoder
            .decode(&mut input, Dialect::V1_2)
            .expect("well-formed")
        {
            frames += 1;
            if read {
                for (name, value) in frame.headers() {
                    black_box((&*name, &*value));
                }
            }
            black_box(frame.body());
        }
    }
    frames
}

/// Only finds the parts of each head; the bodies' lengths are given, and it is free to keep the
/// chunks where they are.
fn scan(work: &Workload, size: usize) -> usize {
    let mut frames = 0;
    let mut skip = 0usize;
    let mut blank = false;
    for chunk in work.stream.chunks(size) {
        let mut rest = black_box(chunk);
        while !rest.is_empty() {
            let jump = skip.min(rest.len());
            skip -= jump;
            rest = &rest[jump..];
            let mut end = None;
            let mut last = usize::MAX;
            for at in memchr::memchr2_iter(b'\n', b':', rest) {
                if rest[at] == b'\n' {
                    if last.wrapping_add(1) == at && (last != usize::MAX || blank) {
                        end = Some(at + 1);
                        break;
                    }
                    last = at;
                } else {
                    black_box(at);
                }
            }
            let Some(end) = end else {
                blank = rest.last() == Some(&b'\n');
                break;
            };
            blank = false;
            rest = &rest[end..];
            skip = work.body.len() + 1;
            frames += 1;
        }
    }
    frames
}

fn copy(work: &Workload, size: usize) -> usize {
    let mut to = Vec::with_capacity(work.stream.len());
    for chunk in work.stream.chunks(size) {
        to.extend_from_slice(black_box(chunk));
    }
    black_box(&to);
    work.frames
}
