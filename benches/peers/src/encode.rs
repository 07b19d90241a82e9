//! Encoding a SEND from borrowed names, values and body.

use std::hint::black_box;

use stompbox_proto::{Command, ContentLength, Dialect, encode};

use crate::{
    measure::{Contender, Kind, Table, measure},
    peers,
    workload::Workload,
};

/// Every contender on one workload.
pub(crate) fn run(work: &Workload) -> Table {
    let title = format!("encode {}", work.name);
    let contenders: Vec<Contender<'_>> = vec![
        ("stompbox", Kind::Ours, Box::new(|| ours(work))),
        (
            "iridium-stomp",
            Kind::Peer,
            Box::new(|| peers::encode_iridium(work)),
        ),
        (
            "async-stomp",
            Kind::Peer,
            Box::new(|| peers::encode_async_stomp(work)),
        ),
        (
            "stomp-rs (escapes nothing)",
            Kind::Other,
            Box::new(|| peers::encode_stomp_rs(work)),
        ),
        ("memcpy", Kind::Limit, Box::new(|| copy(work))),
    ];
    measure(title, work.frames, contenders)
}

fn ours(work: &Workload) -> usize {
    for _ in 0..work.frames {
        let mut out = Vec::new();
        let headers = work
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let body = black_box(&work.body);
        encode(
            &mut out,
            Dialect::V1_2,
            Command::Send,
            headers,
            body,
            ContentLength::Auto,
        )
        .expect("expressible");
        black_box(&out);
    }
    work.frames
}

fn copy(work: &Workload) -> usize {
    let frame = &work.stream[..work.head + work.body.len() + 1];
    for _ in 0..work.frames {
        black_box(black_box(frame).to_vec());
    }
    work.frames
}
