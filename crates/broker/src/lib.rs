//! The embedded STOMP broker engine, synchronous and free of IO.
