//! STOMP core.
