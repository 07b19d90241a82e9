//! The stompbox command line.
fn main() {}
