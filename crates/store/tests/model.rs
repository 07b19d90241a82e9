//! Random changes against a map, with openings in between.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use stompbox_store::{DiskStore, MemoryStore, Op, Options, Store};

/// What a message is in the model: durable, deliveries, priority, expires, data.
type Message = (bool, u32, u8, u64, Bytes);

#[derive(Clone, Debug, Default)]
struct Model {
    messages: BTreeMap<(u64, u64), Message>,
    definitions: BTreeMap<Box<str>, Bytes>,
}

impl Model {
    fn apply(&mut self, op: &Op) {
        match op.clone() {
            Op::Put {
                queue,
                id,
                durable,
                deliveries,
                priority,
                expires,
                data,
            } => {
                let message = (durable, deliveries, priority, expires, data);
                self.messages.insert((queue, id), message);
            }
            Op::Delete { queue, id } => {
                self.messages.remove(&(queue, id));
            }
            Op::Delivered {
                queue,
                id,
                deliveries,
            } => {
                if let Some(message) = self.messages.get_mut(&(queue, id)) {
                    message.1 = deliveries;
                }
            }
            Op::Set { key, value } => {
                self.definitions.insert(key, value);
            }
            Op::Unset { key } => {
                self.definitions.remove(&key);
            }
        }
    }

    fn check(&self, store: &mut dyn Store) {
        let names: Vec<_> = self.messages.keys().copied().chain([(99, 99)]).collect();
        let read = store.read(&names).unwrap();
        for (name, data) in names.iter().zip(read) {
            assert_eq!(
                data.as_ref(),
                self.messages.get(name).map(|m| &m.4),
                "{name:?}"
            );
        }
        let usage = store.usage();
        assert_eq!(usage.messages, self.messages.len() as u64);
        let bytes: usize = self.messages.values().map(|m| m.4.len()).sum();
        assert_eq!(usage.bytes, bytes as u64);
    }

    /// What is left of it after the end of the process.
    fn reopen(&mut self, dir: &std::path::Path) -> DiskStore {
        self.messages.retain(|_, message| message.0);
        let (store, recovery) = DiskStore::open(dir, options()).unwrap();
        assert_eq!(recovery.report, []);
        let definitions: BTreeMap<_, _> = recovery.definitions.into_iter().collect();
        assert_eq!(definitions, self.definitions);
        assert!(recovery.messages.is_sorted_by_key(|m| m.id));
        let found: BTreeMap<_, _> = recovery
            .messages
            .iter()
            .map(|m| {
                (
                    (m.queue, m.id),
                    (m.deliveries, m.priority, m.expires, m.size as usize),
                )
            })
            .collect();
        assert_eq!(found.len(), recovery.messages.len());
        let expected: BTreeMap<_, _> = self
            .messages
            .iter()
            .map(|(name, m)| (*name, (m.1, m.2, m.3, m.4.len())))
            .collect();
        assert_eq!(found, expected);
        assert!(self.messages.keys().all(|(_, id)| *id < recovery.next_id));
        store
    }
}

fn options() -> Options {
    Options::default().with_reserve_bytes(0)
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Op>),
    Maintain,
    Reopen,
}

fn op() -> impl Strategy<Value = Op> {
    let name = || (0..3u64, 0..12u64);
    let data = || {
        prop_oneof![
            6 => proptest::collection::vec(any::<u8>(), 0..40),
            2 => (any::<u8>(), 500..3_000usize).prop_map(|(byte, size)| vec![byte; size]),
        ]
        .prop_map(Bytes::from)
    };
    let put = (
        name(),
        any::<bool>(),
        0..3u32,
        0..10u8,
        any::<u64>(),
        data(),
    );
    let key = || (0..4u8).prop_map(|key| format!("key/{key}").into_boxed_str());
    prop_oneof![
        4 => put.prop_map(|((queue, id), durable, deliveries, priority, expires, data)| Op::Put {
            queue, id, durable, deliveries, priority, expires, data,
        }),
        4 => name().prop_map(|(queue, id)| Op::Delete { queue, id }),
        1 => (name(), 0..9u32).prop_map(|((queue, id), deliveries)| Op::Delivered { queue, id, deliveries }),
        1 => (key(), data()).prop_map(|(key, value)| Op::Set { key, value }),
        1 => key().prop_map(|key| Op::Unset { key }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => proptest::collection::vec(op(), 0..12).prop_map(Step::Commit),
        3 => Just(Step::Maintain),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_disk_is_a_map(steps in proptest::collection::vec(step(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::default();
        let mut store = model.reopen(dir.path());
        for step in steps {
            match step {
                Step::Commit(ops) => {
                    ops.iter().for_each(|op| model.apply(op));
                    store.commit(ops).unwrap();
                }
                Step::Maintain => {
                    store.maintain().unwrap();
                }
                Step::Reopen => {
                    drop(store);
                    store = model.reopen(dir.path());
                }
            }
            model.check(&mut store);
        }
        drop(store);
        let mut store = model.reopen(dir.path());
        model.check(&mut store);
        let end = model.messages.keys().map(|(queue, id)| Op::Delete { queue: *queue, id: *id });
        let mut end: Vec<_> = end.collect();
        end.extend(model.definitions.keys().map(|key| Op::Unset { key: key.clone() }));
        store.commit(end).unwrap();
        while store.maintain().unwrap() {}
        prop_assert_eq!(store.usage().stored, 0);
    }

    #[test]
    fn the_memory_is_a_map(commits in proptest::collection::vec(proptest::collection::vec(op(), 0..12), 1..60)) {
        let mut model = Model::default();
        let mut store = MemoryStore::new();
        for ops in commits {
            ops.iter().for_each(|op| model.apply(op));
            store.commit(ops).unwrap();
            model.check(&mut store);
        }
    }
}
