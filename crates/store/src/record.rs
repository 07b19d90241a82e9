//! The bytes of a record: what one commit changes, or a part of it. `docs/store-format.md` draws
//! them.
//!
//! A record carries its own checksum, number and length, so that it can be found and judged in any
//! file, whatever became of the engine's own structures.

use bytes::{BufMut as _, Bytes};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What each record begins with.
pub const MAGIC: [u8; 8] = *b"STOMPbx\x01";
/// Bytes before the ops.
pub const HEADER: usize = 48;
/// The data and the key of one op.
pub const MAX_OP: usize = 1 << 30;
/// From this size on a commit continues in another record.
const ENOUGH: usize = 1 << 20;

const PUT: u8 = 1;
const DELETE: u8 = 2;
const DELIVERED: u8 = 3;
const SET: u8 = 4;
const UNSET: u8 = 5;

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The first bytes are others.
    #[error("it does not begin like a record")]
    Magic,
    /// There are fewer bytes than it says.
    #[error("it is cut off")]
    Short,
    /// They are not what was written.
    #[error("its checksum is wrong")]
    Checksum,
    /// The checksum is right, the content means nothing.
    #[error("its content means nothing at byte {0}")]
    Content(usize),
}

/// An op of a record, which borrows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpRef<'a> {
    /// See [`Op::Put`](crate::Op::Put).
    Put(Put<'a>),
    /// See [`Op::Delete`](crate::Op::Delete).
    Delete {
        /// The queue's number.
        queue: u64,
        /// The message's number.
        id: u64,
    },
    /// See [`Op::Delivered`](crate::Op::Delivered).
    Delivered {
        /// The queue's number.
        queue: u64,
        /// The message's number.
        id: u64,
        /// How often.
        deliveries: u32,
    },
    /// See [`Op::Set`](crate::Op::Set).
    Set {
        /// Its name.
        key: &'a str,
        /// What it is.
        value: &'a [u8],
    },
    /// See [`Op::Unset`](crate::Op::Unset).
    Unset {
        /// Its name.
        key: &'a str,
    },
}

/// A message in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Put<'a> {
    /// The queue's number.
    pub queue: u64,
    /// The message's number.
    pub id: u64,
    /// Whether it outlives the process.
    pub durable: bool,
    /// How often it was delivered.
    pub deliveries: u32,
    /// As it was put.
    pub priority: u8,
    /// Milliseconds since 1970, 0 for never.
    pub expires: u64,
    /// Head and body.
    pub data: &'a [u8],
}

/// A record whose checksum is right.
#[derive(Clone, Debug)]
pub struct Record {
    bytes: Bytes,
    number: u64,
    floor: u64,
    part: (u16, u16),
    /// Where the ops begin; the data is before them.
    ops: usize,
}

impl Record {
    /// Reads a record from the beginning of `bytes`, which may go on after it. The seed is that of
    /// the store: without it nobody can write a message that, found alone, is taken for a record.
    ///
    /// # Errors
    ///
    /// If these are not the bytes of a record.
    pub fn parse(bytes: &Bytes, seed: u64) -> Result<Self, RecordError> {
        let length = length(bytes)?;
        if length > bytes.len() {
            return Err(RecordError::Short);
        }
        let bytes = bytes.slice(..length);
        let mut head = Reader {
            bytes: &bytes,
            at: 8,
        };
        let checksum = head.u64()?;
        if checksum != self::checksum(bytes.get(16..).unwrap_or_default(), seed) {
            return Err(RecordError::Checksum);
        }
        head.u32()?;
        let ops = head.u32()? as usize;
        let number = head.u64()?;
        let floor = head.u64()?;
        let part = (head.u16()?, head.u16()?);
        if !(HEADER..=length).contains(&ops) {
            return Err(RecordError::Content(20));
        }
        Ok(Self {
            number,
            floor,
            part,
            ops,
            bytes,
        })
    }

    /// Its number, which orders it among all.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// No record with a smaller number was of use when this was written.
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// Which part of its commit it is, from 0, and of how many.
    pub fn part(&self) -> (u16, u16) {
        self.part
    }

    /// All of its bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The ops with their places, until one that means nothing.
    pub fn ops(&self) -> impl Iterator<Item = Result<(u32, OpRef<'_>), RecordError>> {
        let mut at = self.ops;
        std::iter::from_fn(move || {
            if at >= self.bytes.len() {
                return None;
            }
            let op = self.op(at);
            let place = cut(at - self.ops);
            at = op.as_ref().map_or(self.bytes.len(), |(_, end)| *end);
            Some(op.map(|(op, _)| (place, op)))
        })
    }

    /// The op at a place that [`ops`](Self::ops) or [`RecordsWriter`] gave.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn op_at(&self, place: u32) -> Result<OpRef<'_>, RecordError> {
        Ok(self.op(self.ops.saturating_add(place as usize))?.0)
    }

    fn op(&self, at: usize) -> Result<(OpRef<'_>, usize), RecordError> {
        let mut reader = Reader {
            bytes: &self.bytes,
            at,
        };
        let op = match reader.u8()? {
            PUT => {
                let flags = reader.u8()?;
                let priority = reader.u8()?;
                let (queue, id, expires) = (reader.u64()?, reader.u64()?, reader.u64()?);
                let deliveries = reader.u32()?;
                OpRef::Put(Put {
                    queue,
                    id,
                    durable: flags & 1 != 0,
                    deliveries,
                    priority,
                    expires,
                    data: self.data(&mut reader)?,
                })
            }
            DELETE => OpRef::Delete {
                queue: reader.u64()?,
                id: reader.u64()?,
            },
            DELIVERED => OpRef::Delivered {
                queue: reader.u64()?,
                id: reader.u64()?,
                deliveries: reader.u32()?,
            },
            SET => OpRef::Set {
                value: self.data(&mut reader)?,
                key: reader.key()?,
            },
            UNSET => OpRef::Unset { key: reader.key()? },
            _ => return Err(RecordError::Content(at)),
        };
        Ok((op, reader.at))
    }

    /// The piece of the data to which an op points.
    fn data(&self, reader: &mut Reader<'_>) -> Result<&[u8], RecordError> {
        let at = reader.at;
        let (begin, length) = (reader.u32()? as usize, reader.u32()? as usize);
        let data = self.bytes.get(HEADER..self.ops).unwrap_or_default();
        begin
            .checked_add(length)
            .and_then(|end| data.get(begin..end))
            .ok_or(RecordError::Content(at))
    }
}

/// The checksum of a record whose bytes from 16 on are these.
pub fn checksum(bytes: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(bytes, seed)
}

/// How long the record is that begins here, as it says itself.
///
/// # Errors
///
/// If none begins here.
pub fn length(bytes: &[u8]) -> Result<usize, RecordError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(RecordError::Magic);
    }
    let mut head = Reader { bytes, at: 16 };
    match head.u32()? as usize {
        length if length >= HEADER => Ok(length),
        _ => Err(RecordError::Content(16)),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let bytes = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk);
        self.at += N;
        bytes.copied().ok_or(RecordError::Short)
    }

    fn u8(&mut self) -> Result<u8, RecordError> {
        self.take().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16, RecordError> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, RecordError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, RecordError> {
        self.take().map(u64::from_le_bytes)
    }

    fn key(&mut self) -> Result<&'a str, RecordError> {
        let at = self.at;
        let length = self.u32()? as usize;
        let end = self.at.checked_add(length).ok_or(RecordError::Short)?;
        let key = self.bytes.get(self.at..end).ok_or(RecordError::Short)?;
        self.at = end;
        std::str::from_utf8(key).map_err(|_| RecordError::Content(at))
    }
}

/// Where an op was written: the record, counted from the first of the commit, and the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// 0 for the first.
    pub part: u32,
    /// For [`Record::op_at`].
    pub place: u32,
}

/// Writes the records of one commit.
#[derive(Debug)]
pub struct RecordsWriter {
    full: Vec<(Vec<u8>, Vec<u8>)>,
    ops: Vec<u8>,
    data: Vec<u8>,
    /// The last data by its address and length, and where it begins: a message for many queues
    /// comes for all of them in sequence, and is written once.
    last: Option<(usize, usize, u32)>,
}

impl RecordsWriter {
    /// For about that many bytes of data.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            full: Vec::new(),
            ops: Vec::new(),
            data: Self::begin(bytes.min(ENOUGH)),
            last: None,
        }
    }

    /// The head of a record, with room for data, and for ops of an eighth of that.
    fn begin(bytes: usize) -> Vec<u8> {
        let mut data = Vec::with_capacity(HEADER + bytes + bytes / 8);
        data.resize(HEADER, 0);
        data
    }

    /// A message. The caller keeps `data` alive until [`finish`](Self::finish).
    pub fn put(&mut self, put: &Put<'_>) -> Written {
        let written = self.next(put.data.len());
        let (begin, length) = self.share(put.data);
        self.ops.put_u8(PUT);
        self.ops.put_u8(u8::from(put.durable));
        self.ops.put_u8(put.priority);
        self.ops.put_u64_le(put.queue);
        self.ops.put_u64_le(put.id);
        self.ops.put_u64_le(put.expires);
        self.ops.put_u32_le(put.deliveries);
        self.ops.put_u32_le(begin);
        self.ops.put_u32_le(length);
        written
    }

    /// The end of a message.
    pub fn delete(&mut self, queue: u64, id: u64) -> Written {
        let written = self.next(0);
        self.ops.put_u8(DELETE);
        self.ops.put_u64_le(queue);
        self.ops.put_u64_le(id);
        written
    }

    /// How often a message was delivered.
    pub fn delivered(&mut self, queue: u64, id: u64, deliveries: u32) -> Written {
        let written = self.next(0);
        self.ops.put_u8(DELIVERED);
        self.ops.put_u64_le(queue);
        self.ops.put_u64_le(id);
        self.ops.put_u32_le(deliveries);
        written
    }

    /// A definition.
    pub fn set(&mut self, key: &str, value: &[u8]) -> Written {
        let written = self.next(value.len() + key.len());
        let (begin, length) = self.share(value);
        self.ops.put_u8(SET);
        self.ops.put_u32_le(begin);
        self.ops.put_u32_le(length);
        self.key(key);
        written
    }

    /// The end of a definition.
    pub fn unset(&mut self, key: &str) -> Written {
        let written = self.next(key.len());
        self.ops.put_u8(UNSET);
        self.key(key);
        written
    }

    fn key(&mut self, key: &str) {
        self.ops.put_u32_le(cut(key.len()));
        self.ops.put_slice(key.as_bytes());
    }

    /// The place of the next op, in another record where this would become too long.
    fn next(&mut self, bytes: usize) -> Written {
        let length = self.ops.len() + self.data.len();
        if length > HEADER && length + bytes > ENOUGH {
            let ops = std::mem::take(&mut self.ops);
            let data = std::mem::replace(&mut self.data, Self::begin(0));
            self.full.push((ops, data));
            self.last = None;
        }
        Written {
            part: cut(self.full.len()),
            place: cut(self.ops.len()),
        }
    }

    fn share(&mut self, data: &[u8]) -> (u32, u32) {
        let (address, length) = (data.as_ptr().addr(), data.len());
        let begin = match self.last {
            Some((last, bytes, begin)) if (last, bytes) == (address, length) => begin,
            _ => {
                let begin = cut(self.data.len() - HEADER);
                self.data.extend_from_slice(data);
                self.last = Some((address, length, begin));
                begin
            }
        };
        (begin, cut(length))
    }

    /// The records, numbered from `number` on; none if there was no op.
    pub fn finish(mut self, number: u64, floor: u64, seed: u64) -> Vec<Bytes> {
        if !self.ops.is_empty() {
            self.full.push((self.ops, self.data));
        }
        let parts = self.full.len();
        let records = (number..).zip(self.full).enumerate();
        records
            .map(|(part, (number, (ops, mut record)))| {
                let begin = cut(record.len());
                record.extend_from_slice(&ops);
                let length = cut(record.len());
                let mut head = record.get_mut(16..HEADER).unwrap_or_default();
                head.put_u32_le(length);
                head.put_u32_le(begin);
                head.put_u64_le(number);
                head.put_u64_le(floor);
                head.put_u16_le(u16::try_from(part).unwrap_or(u16::MAX));
                head.put_u16_le(u16::try_from(parts).unwrap_or(u16::MAX));
                let checksum = checksum(record.get(16..).unwrap_or_default(), seed);
                let mut head = record.get_mut(..16).unwrap_or_default();
                head.put_slice(&MAGIC);
                head.put_u64_le(checksum);
                Bytes::from(record)
            })
            .collect()
    }
}

/// Lengths in a record: `MAX_OP` keeps them far below the limit.
fn cut(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
