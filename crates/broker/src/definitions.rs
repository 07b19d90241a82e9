//! The bytes of what the store keeps beside messages: queues, durable subscriptions, retained and
//! scheduled messages.

use std::sync::Arc;

use bytes::{Buf as _, BufMut as _, Bytes};

use crate::{
    Message, Time,
    dialect::{queue::QueueHeaders, send::Extras},
    durable::Definition,
    schedule::Job,
};

pub(crate) fn write_definition(definition: &Definition) -> Bytes {
    let selector = definition.selector.as_deref().unwrap_or_default();
    format!("{}\n{selector}", definition.topic)
        .into_bytes()
        .into()
}

pub(crate) fn write_queue(name: &str, options: &QueueHeaders) -> Bytes {
    format!("{name}\n{}", options.to_text()).into_bytes().into()
}

pub(crate) fn read_queue(value: &[u8]) -> Option<(String, QueueHeaders)> {
    let text = std::str::from_utf8(value).ok()?;
    let (name, rest) = text.split_once('\n').unwrap_or((text, ""));
    Some((name.to_owned(), QueueHeaders::from_text(rest)))
}

pub(crate) fn with_time(at: Time, message: &Message) -> Bytes {
    let block = message.stored();
    let mut out = Vec::with_capacity(block.len() + 8);
    out.put_u64_le(at);
    out.extend_from_slice(&block);
    out.into()
}

pub(crate) fn split_time(mut value: Bytes) -> Option<(Time, Bytes)> {
    let at = value.get(..8)?.try_into().ok().map(u64::from_le_bytes)?;
    Some((at, value.split_off(8)))
}

/// A message of a stream: a NUL, with which no block begins, when it came, its position, then the
/// message.
pub(crate) fn with_place(time: Time, position: u64, message: &Message) -> Bytes {
    let block = message.stored();
    let mut out = Vec::with_capacity(block.len() + 17);
    out.put_u8(0);
    out.put_u64_le(time);
    out.put_u64_le(position);
    out.extend_from_slice(&block);
    out.into()
}

/// When a message of a stream came and its position, which older stores don't have, and the message.
pub(crate) fn split_place(mut value: Bytes) -> (Option<(Time, u64)>, Bytes) {
    if value.first() != Some(&0) || value.len() < 17 {
        return (None, value);
    }
    let block = value.split_off(17);
    let mut place = value.slice(1..);
    (Some((place.get_u64_le(), place.get_u64_le())), block)
}

/// Time, repetitions that are left, login, reply token, then the message.
pub(crate) fn write_job(at: Time, job: &Job) -> Bytes {
    let block = job.message.stored();
    let mut out = Vec::with_capacity(block.len() + 64);
    out.put_u64_le(at);
    out.put_i64_le(job.schedule.repeat);
    out.put_u64_le(job.message.expires);
    for text in [&job.login, &job.reply_token] {
        out.put_u32_le(u32::try_from(text.len()).unwrap_or(0));
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&block);
    out.into()
}

pub(crate) fn read_job(value: Bytes) -> Option<(Time, Job)> {
    let number = |at: usize| {
        value
            .get(at..at + 8)?
            .try_into()
            .ok()
            .map(u64::from_le_bytes)
    };
    let (at, repeat, expires) = (number(0)?, number(8)? as i64, number(16)?);
    let mut from = 24;
    let mut texts = Vec::new();
    for _ in 0..2 {
        let length = value
            .get(from..from + 4)?
            .try_into()
            .ok()
            .map(u32::from_le_bytes)? as usize;
        let text = std::str::from_utf8(value.get(from + 4..from + 4 + length)?).ok()?;
        texts.push(text.into());
        from += 4 + length;
    }
    let message = Message::restore(value.slice(from..), expires)?;
    let mut schedule = schedule_of(message.extras.as_deref())?;
    schedule.repeat = repeat;
    let reply_token = texts.pop()?;
    let login = texts.pop()?;
    let job = Job {
        message: Arc::new(message),
        schedule,
        login,
        reply_token,
        stored: 0,
    };
    Some((at, job))
}

fn schedule_of(extras: Option<&Extras>) -> Option<crate::dialect::send::Schedule> {
    extras?.schedule.clone()
}
