//! The Redis cache on real Redis servers.
#![expect(clippy::unwrap_used, reason = "tests")]

mod behind;
mod cluster;
mod common;
mod connecting;
mod faults;
mod in_process;
mod interleavings;
mod operations;
mod reference;
mod world;
