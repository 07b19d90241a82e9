//! The table of `[limits]`: a line here is a key of the file, a variable of the environment, a name
//! for `--limit`, and a line of `config show`.

use std::time::Duration;

use stompbox_server::Config;

use super::units::Unit;

/// One limit.
pub(crate) struct Limit {
    /// Its key in `[limits]`.
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    /// Smallest and largest value; times in milliseconds.
    pub(crate) range: (u64, u64),
    pub(crate) get: fn(&Config) -> u64,
    set: fn(&mut Config, u64),
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A limit that is a `usize` of the configuration.
macro_rules! limit {
    ($name:literal, $unit:ident, $range:expr, $($field:ident).+) => {
        Limit {
            name: $name,
            unit: Unit::$unit,
            range: $range,
            get: |config| config.$($field).+ as u64,
            set: |config, value| config.$($field).+ = usize::try_from(value).unwrap_or(usize::MAX),
        }
    };
}

/// A limit that is a `u64` of the configuration.
macro_rules! limit64 {
    ($name:literal, $unit:ident, $range:expr, $($field:ident).+) => {
        Limit {
            name: $name,
            unit: Unit::$unit,
            range: $range,
            get: |config| config.$($field).+,
            set: |config, value| config.$($field).+ = value,
        }
    };
}

/// A limit that is a `u32` of the configuration.
macro_rules! limit32 {
    ($name:literal, $unit:ident, $range:expr, $($field:ident).+) => {
        Limit {
            name: $name,
            unit: Unit::$unit,
            range: $range,
            get: |config| u64::from(config.$($field).+),
            set: |config, value| config.$($field).+ = u32::try_from(value).unwrap_or(u32::MAX),
        }
    };
}

/// A limit that is a `Duration` of the configuration.
macro_rules! time {
    ($name:literal, $range:expr, $field:ident) => {
        Limit {
            name: $name,
            unit: Unit::Time,
            range: $range,
            get: |config| u64::try_from(config.$field.as_millis()).unwrap_or(u64::MAX),
            set: |config, value| config.$field = Duration::from_millis(value),
        }
    };
}

/// All limits.
pub(crate) const LIMITS: &[Limit] = &[
    limit!("max_connections", Count, (1, 1_000_000), max_connections),
    time!("connect_timeout", (10, 60_000), connect_timeout),
    time!("write_timeout", (10, 600_000), write_timeout),
    time!("drain_timeout", (0, 300_000), drain_timeout),
    limit!("max_body", Bytes, (1, 256 * MIB), limits.body),
    limit!("max_handshake", Bytes, (KIB, 64 * KIB), limits.handshake),
    limit!("max_head", Bytes, (KIB, 256 * KIB), limits.head),
    limit!("max_headers", Count, (8, 1000), limits.headers),
    limit!(
        "max_header_line",
        Bytes,
        (256, 64 * KIB),
        limits.header_line
    ),
    limit!(
        "max_outstanding",
        Bytes,
        (16 * KIB, GIB),
        broker.max_outstanding
    ),
    limit!("max_unacked", Count, (1, 1_000_000), broker.max_unacked),
    limit!("max_memory", Bytes, (MIB, 1024 * GIB), broker.max_memory),
    Limit {
        name: "max_store",
        unit: Unit::Bytes,
        range: (0, 1024 * 1024 * GIB),
        get: |config| config.max_store.unwrap_or(0),
        set: |config, value| config.max_store = (value > 0).then_some(value),
    },
    limit64!(
        "prefetch_messages",
        Count,
        (0, 1_000_000),
        broker.prefetch_messages
    ),
    limit64!("prefetch_bytes", Bytes, (0, GIB), broker.prefetch_bytes),
    limit64!("max_waiting", Bytes, (KIB, GIB), broker.max_waiting),
    limit!(
        "max_destinations",
        Count,
        (1, 100_000_000),
        broker.max_destinations
    ),
    limit!(
        "max_scheduled",
        Count,
        (0, 100_000_000),
        broker.max_scheduled
    ),
    limit64!(
        "topic_log_messages",
        Count,
        (0, 1_000_000),
        broker.topic_log_messages
    ),
    limit64!("topic_log_bytes", Bytes, (0, GIB), broker.topic_log_bytes),
    limit64!(
        "topic_logs_bytes",
        Bytes,
        (0, 64 * GIB),
        broker.topic_logs_bytes
    ),
    limit32!(
        "delivery_limit",
        Count,
        (0, 1_000_000),
        broker.redelivery.limit
    ),
    limit64!(
        "redelivery_delay",
        Time,
        (0, 86_400_000),
        broker.redelivery.delay
    ),
    limit64!(
        "first_redelivery_delay",
        Time,
        (0, 86_400_000),
        broker.redelivery.initial_delay
    ),
    limit64!(
        "max_redelivery_delay",
        Time,
        (0, 86_400_000),
        broker.redelivery.max_delay
    ),
    limit64!("stream_bytes", Bytes, (KIB, 64 * GIB), broker.stream_bytes),
    limit!(
        "max_transaction_frames",
        Count,
        (1, 1_000_000),
        broker.max_transaction_frames
    ),
    limit!(
        "max_transaction_bytes",
        Bytes,
        (KIB, 4 * GIB),
        broker.max_transaction_bytes
    ),
];

impl Limit {
    /// The limit of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        LIMITS.iter().find(|limit| limit.name == name)
    }

    /// Its variable in the environment.
    pub(crate) fn variable(&self) -> String {
        format!("STOMPBOX_{}", self.name.to_uppercase())
    }

    /// Sets it, or says why it can't be so.
    pub(crate) fn apply(&self, config: &mut Config, text: &str) -> Result<(), String> {
        let value = self.unit.parse(text)?;
        let (least, most) = self.range;
        if value < least || value > most {
            let [least, most] = [least, most].map(|bound| self.unit.format(bound));
            return Err(format!("{text} is not between {least} and {most}"));
        }
        (self.set)(config, value);
        Ok(())
    }
}
