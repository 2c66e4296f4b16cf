//! The REST interface of a real server on a real socket.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod bad_input;
mod bad_routes;
mod batch;
mod binary;
mod common;
mod conditions;
mod connections;
mod cors;
mod docs;
mod dropin;
mod durability;
mod failing;
mod history;
mod info;
mod keys;
mod memory;
mod metrics;
mod raw;
mod shutdown;
mod starting;
mod stats;
mod telemetry;
mod tls;
mod transfer;
