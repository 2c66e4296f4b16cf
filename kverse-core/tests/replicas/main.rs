//! Several replicas with a cache that they share, under every fault of the mode protocol, on paused time.
#![expect(clippy::unwrap_used, reason = "tests")]

mod faults;
mod flights;
mod random;
mod replica;
mod servers;
