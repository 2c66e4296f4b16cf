//! `/watch` on real servers.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod client;
mod idle;
mod page;
mod process;
mod replicas;
mod resume;
mod server;
mod slow;
mod stream;
mod tokens;
