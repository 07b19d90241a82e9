//! The STOMP client session for JavaScript hosts.
