//! Reading messages back.

use std::collections::VecDeque;

use bytes::Bytes;

use super::DiskStore;
use crate::{
    StoreError,
    index::Place,
    record::{OpRef, Record},
};

/// Bytes of records that were read lately: who reads a queue on reads the same record again.
const KEEP: usize = 4 << 20;

#[derive(Debug, Default)]
pub(super) struct Cache {
    records: VecDeque<Record>,
    bytes: usize,
}

impl Cache {
    fn get(&self, number: u64) -> Option<Record> {
        let mut records = self.records.iter();
        records.find(|record| record.number() == number).cloned()
    }

    fn keep(&mut self, record: &Record) {
        self.bytes += record.as_bytes().len();
        self.records.push_back(record.clone());
        while self.bytes > KEEP
            && self.records.len() > 1
            && let Some(old) = self.records.pop_front()
        {
            self.bytes -= old.as_bytes().len();
        }
    }
}

impl DiskStore {
    pub(super) fn read_messages(
        &mut self,
        wanted: &[(u64, u64)],
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut found = vec![None; wanted.len()];
        // Record by record, so that each is read once.
        let mut places: Vec<(usize, Place)> = wanted
            .iter()
            .enumerate()
            .filter_map(|(at, (queue, id))| Some((at, self.index.message(*queue, *id)?)))
            .collect();
        places.sort_by_key(|(_, place)| place.record);
        for group in places.chunk_by(|(_, a), (_, b)| a.record == b.record) {
            let Some(number) = group.first().and_then(|(_, p)| self.index.number(p.record)) else {
                continue;
            };
            let record = self.record(number)?;
            for (at, place) in group {
                let data = match record.op_at(place.at()) {
                    Ok(OpRef::Put(put)) => Bytes::copy_from_slice(put.data),
                    other => return Err(not_there(number, other.err())),
                };
                if let Some(found) = found.get_mut(*at) {
                    *found = Some(data);
                }
            }
        }
        Ok(found)
    }

    /// A record, which is known to the index.
    pub(super) fn record(&mut self, number: u64) -> Result<Record, StoreError> {
        if let Some(record) = self.cache.get(number) {
            return Ok(record);
        }
        let bytes = match self.engine.read(number) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(not_there(number, None)),
            Err(error) => return Err(StoreError::Io(error.why())),
        };
        let record =
            Record::parse(&bytes, self.seed).map_err(|error| not_there(number, Some(error)))?;
        self.cache.keep(&record);
        Ok(record)
    }

    /// The value of a definition.
    pub(super) fn value(&mut self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let Some(place) = self.index.definition(key) else {
            return Ok(None);
        };
        let Some(number) = self.index.number(place.record) else {
            return Ok(None);
        };
        let record = self.record(number)?;
        match record.op_at(place.at()) {
            Ok(OpRef::Set { value, .. }) => Ok(Some(Bytes::copy_from_slice(value))),
            other => Err(not_there(number, other.err())),
        }
    }
}

fn not_there(record: u64, error: Option<crate::record::RecordError>) -> StoreError {
    let why = error.map_or_else(|| "what should be there is not".into(), |e| e.to_string());
    StoreError::Damaged { record, why }
}
