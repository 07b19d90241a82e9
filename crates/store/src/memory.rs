use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use crate::{Op, Store, StoreError, Usage};

/// A store that forgets everything with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    messages: HashMap<(u64, u64), Bytes>,
    definitions: BTreeMap<Box<str>, Bytes>,
    bytes: u64,
    limit: Option<u64>,
}

impl MemoryStore {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes of messages and definitions from which on it is full. Without it there is no limit.
    #[must_use]
    pub fn with_max_bytes(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }

    fn check(&self, ops: &[Op]) -> Result<(), StoreError> {
        let Some(limit) = self.limit else {
            return Ok(());
        };
        let added = ops.iter().map(|op| match op {
            Op::Put { data, .. } => data.len(),
            Op::Set { value, .. } => value.len(),
            _ => 0,
        });
        let added: usize = added.sum();
        let value = self.bytes + added as u64;
        if added > 0 && value > limit {
            return Err(StoreError::Full {
                what: "memory",
                value,
                limit,
            });
        }
        Ok(())
    }
}

impl Store for MemoryStore {
    fn commit(&mut self, ops: Vec<Op>) -> Result<(), StoreError> {
        self.check(&ops)?;
        for op in ops {
            let (new, old) = match op {
                Op::Put {
                    queue, id, data, ..
                } => (data.len(), self.messages.insert((queue, id), data)),
                Op::Delete { queue, id } => (0, self.messages.remove(&(queue, id))),
                Op::Delivered { .. } => (0, None),
                Op::Set { key, value } => (value.len(), self.definitions.insert(key, value)),
                Op::Unset { key } => (0, self.definitions.remove(&key)),
            };
            self.bytes += new as u64;
            self.bytes -= old.map_or(0, |old| old.len() as u64);
        }
        Ok(())
    }

    fn read(&mut self, wanted: &[(u64, u64)]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let read = |name| self.messages.get(name).cloned();
        Ok(wanted.iter().map(read).collect())
    }

    fn usage(&self) -> Usage {
        let definitions: usize = self.definitions.values().map(Bytes::len).sum();
        Usage {
            messages: self.messages.len() as u64,
            bytes: self.bytes - definitions as u64,
            stored: self.bytes,
            disk: 0,
        }
    }

    fn maintain(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }
}
