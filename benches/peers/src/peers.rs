//! The peers' codecs, each used as its own client uses it.

use std::hint::black_box;

use async_stomp::{Message, ToServer, client::ClientCodec};
use bytes::BytesMut;
use iridium_stomp::{codec::StompCodec, codec::StompItem, frame::Frame};
use stomp_rs::protocol::{Frame as RsFrame, FrameParser, ServerCommand, StompMessage, frame::Send};
use tokio_util::codec::{Decoder, Encoder};

use crate::workload::Workload;

pub(crate) fn iridium(stream: &[u8], size: usize) -> usize {
    let mut codec = StompCodec::new();
    let mut buffer = BytesMut::new();
    let mut frames = 0;
    for chunk in stream.chunks(size) {
        buffer.extend_from_slice(black_box(chunk));
        while let Some(item) = codec.decode(&mut buffer).expect("well-formed") {
            frames += usize::from(matches!(black_box(item), StompItem::Frame(_)));
        }
    }
    frames
}

pub(crate) fn async_stomp(stream: &[u8], size: usize) -> usize {
    let mut codec = ClientCodec::new();
    let mut buffer = BytesMut::new();
    let mut frames = 0;
    for chunk in stream.chunks(size) {
        buffer.extend_from_slice(black_box(chunk));
        while let Some(message) = codec.decode(&mut buffer).expect("well-formed") {
            black_box(message);
            frames += 1;
        }
    }
    frames
}

pub(crate) fn stomp_rs(stream: &[u8], size: usize) -> usize {
    let mut parser = FrameParser::<ServerCommand>::new();
    let mut frames = 0;
    for chunk in stream.chunks(size) {
        let found = parser.parse(black_box(chunk)).expect("well-formed");
        frames += found
            .iter()
            .filter(|m| matches!(m, StompMessage::Frame(_)))
            .count();
        black_box(found);
    }
    frames
}

pub(crate) fn encode_iridium(work: &Workload) -> usize {
    let mut codec = StompCodec::new();
    for _ in 0..work.frames {
        let mut frame = Frame::new("SEND");
        for (name, value) in &work.headers {
            frame = frame.header(name.as_str(), value.as_str());
        }
        let frame = frame.set_body(black_box(work.body.as_slice()));
        let mut out = BytesMut::new();
        codec
            .encode(StompItem::Frame(frame), &mut out)
            .expect("expressible");
        black_box(&out);
    }
    work.frames
}

pub(crate) fn encode_async_stomp(work: &Workload) -> usize {
    let mut codec = ClientCodec::new();
    for _ in 0..work.frames {
        let mut headers = work.headers.iter().map(|(n, v)| (n.clone(), v.clone()));
        let (_, destination) = headers.next().expect("destination comes first");
        let message: Message<ToServer> = ToServer::Send {
            destination,
            transaction: None,
            headers: Some(headers.collect()),
            body: Some(black_box(&work.body).clone()),
        }
        .into();
        let mut out = BytesMut::new();
        codec.encode(message, &mut out).expect("expressible");
        black_box(&out);
    }
    work.frames
}

pub(crate) fn encode_stomp_rs(work: &Workload) -> usize {
    let body = std::str::from_utf8(&work.body).expect("text");
    for _ in 0..work.frames {
        let mut headers = work.headers.iter();
        let (_, destination) = headers.next().expect("destination comes first");
        let mut send = Send::new(destination.as_str());
        for (name, value) in headers {
            send = send.header(name.as_str(), value.as_str());
        }
        let frame: RsFrame<_> = send.body(black_box(body)).into();
        black_box(frame.to_bytes());
    }
    work.frames
}
