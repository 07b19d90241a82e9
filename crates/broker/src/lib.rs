//! The embedded broker engine: queues, topics, acknowledgements, transactions, selectors.
//!
//! Plain synchronous code: [`Command`]s go into [`Broker::run`], [`Output`]s come out of
//! [`Broker::take_outputs`]. It knows no socket and no clock, so that tests drive it directly. What
//! is to be stored comes out of [`Broker::take_batch`] as operations of `stompbox-store`.

mod acknowledge;
mod administer;
mod arena;
mod audit;
mod broker;
mod command;
mod connection;
mod consumers;
mod declare;
mod definitions;
mod delivery;
mod destination;
mod dialect;
mod durable;
mod durable_subscription;
mod error;
mod event;
mod fan_out;
mod feasible;
mod inspect;
mod jobs;
mod journal;
mod log;
mod message;
mod names;
mod paging;
mod pattern;
mod queue;
mod reading;
mod redelivery;
mod routing;
mod schedule;
mod selective;
pub mod selector;
mod subscribe;
mod subscription;
mod sweep;
mod topic;
mod traffic;
mod transaction;
mod transfer;
mod view;

pub use administer::{Browsed, BrowsedPage, DurableSubscription, Removed};
pub use broker::{Broker, BrokerDialect, Config};
pub use command::{Command, Output, Subscribe, Target};
pub use connection::{ConnectionId, Identity};
pub use destination::{BareDestination, canonical_names};
pub use error::BrokerError;
pub use event::Event;
pub use inspect::{
    ConnectionInfo, ConsumerInfo, DestinationDetails, DestinationInfo, DestinationKind,
    DestinationView, SubscriptionInfo, Totals,
};
pub use message::{Message, Template};
pub use names::{NameFilter, public_name};
pub use subscription::{Delivery, Redelivery, Subscriber};
pub use traffic::{Counts, Rates};
pub use transfer::{Progress, Skipped, Transfer};

/// Milliseconds since 1970.
pub type Time = u64;
