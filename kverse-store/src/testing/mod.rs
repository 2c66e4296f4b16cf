//! What tests of a store need around it: real servers, which end with the test process, and a network that can fail.
//!
//! For development only. Everything here panics when it cannot do what is asked: a missing server fails the test.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod postgres_server;
mod postgres_standby;
mod process;
mod redis;
mod redis_cluster;
mod tcp_proxy;

pub use postgres_server::{PostgresOptions, PostgresServer, TestDatabase};
pub use process::ServerProcess;
pub use redis::{AfterRestart, RedisServer};
pub use redis_cluster::RedisCluster;
pub use tcp_proxy::TcpProxy;
