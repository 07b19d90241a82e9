//! Any bytes as a record: refused, or read without a panic, and what is written is read again.
#![no_main]

use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use stompbox_store::record::{OpRef, Put, Record, RecordsWriter};

#[derive(Arbitrary, Debug)]
enum Change<'a> {
    Put {
        queue: u64,
        id: u64,
        durable: bool,
        data: &'a [u8],
    },
    Delete(u64, u64),
    Delivered(u64, u64, u32),
    Set(&'a str, &'a [u8]),
    Unset(&'a str),
}

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    seed: u64,
    changes: Vec<Change<'a>>,
    /// Written over the record, which then gets a right checksum.
    junk: &'a [u8],
    at: u16,
}

fn walk(record: &Record) -> usize {
    record
        .ops()
        .map(|op| match op {
            Ok((place, op)) => assert_eq!(record.op_at(place), Ok(op)),
            Err(_) => {}
        })
        .count()
}

fuzz_target!(|input: Input| {
    let mut writer = RecordsWriter::with_capacity(0);
    let mut put = 0;
    for change in &input.changes {
        match *change {
            Change::Put {
                queue,
                id,
                durable,
                data,
            } => {
                put += 1;
                writer.put(&Put {
                    queue,
                    id,
                    durable,
                    deliveries: 1,
                    priority: 4,
                    expires: 0,
                    data,
                })
            }
            Change::Delete(queue, id) => writer.delete(queue, id),
            Change::Delivered(queue, id, deliveries) => writer.delivered(queue, id, deliveries),
            Change::Set(key, value) => writer.set(key, value),
            Change::Unset(key) => writer.unset(key),
        };
    }
    let records = writer.finish(7, 3, input.seed);
    let (mut ops, mut puts) = (0, 0);
    for (number, bytes) in (7..).zip(&records) {
        let record = Record::parse(bytes, input.seed).unwrap();
        assert_eq!((record.number(), record.floor()), (number, 3));
        ops += walk(&record);
        puts += record
            .ops()
            .filter(|op| matches!(op, Ok((_, OpRef::Put(_)))))
            .count();
        // Damage that the checksum would find, and the same where it does not.
        let mut bytes = bytes.to_vec();
        let at = usize::from(input.at) % bytes.len();
        for (byte, junk) in bytes[at..].iter_mut().zip(input.junk) {
            *byte = *junk;
        }
        if let Ok(record) = Record::parse(&Bytes::from(bytes.clone()), input.seed) {
            walk(&record);
        }
        if let Ok(length) = stompbox_store::record::length(&bytes)
            && let Some(rest) = bytes.get(16..length)
        {
            let checksum = stompbox_store::record::checksum(rest, input.seed);
            bytes[8..16].copy_from_slice(&checksum.to_le_bytes());
            if let Ok(record) = Record::parse(&Bytes::from(bytes), input.seed) {
                walk(&record);
            }
        }
    }
    assert_eq!((ops, puts), (input.changes.len(), put));
    let _ = Record::parse(&Bytes::copy_from_slice(input.junk), input.seed);
});
