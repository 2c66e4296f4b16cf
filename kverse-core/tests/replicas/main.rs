//! Several replicas with a cache that they share, under every fault of the mode protocol, on paused time.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cache_link;
mod cache_server;
mod database_link;
mod faults;
mod flights;
mod links;
mod random;
mod register_link;
mod replica;
mod world;
