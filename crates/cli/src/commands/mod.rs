//! One module a command.

pub(crate) mod acl;
pub(crate) mod admin;
pub(crate) mod bench;
pub(crate) mod browse;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod doctor;
pub(crate) mod passwd;
pub(crate) mod publish;
pub(crate) mod request;
pub(crate) mod rtt;
pub(crate) mod selector;
pub(crate) mod serve;
pub(crate) mod store;
pub(crate) mod subscribe;
pub(crate) mod tap;
