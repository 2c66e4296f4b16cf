//! Real servers for tests.

mod redis;

pub use redis::{AfterRestart, RedisServer};
