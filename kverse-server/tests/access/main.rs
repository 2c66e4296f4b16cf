//! Access control of real servers on real sockets.
#![expect(clippy::unwrap_used, reason = "tests")]

mod audit;
mod common;
mod grants;
mod interference;
mod limits;
mod replicas;
mod secrets;
mod tls;
mod tokens;
mod transfer;
