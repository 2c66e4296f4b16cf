//! The KVerse backends, opened by URL.
#![deny(missing_docs)]

mod config;
mod database_url;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod distrust;
#[cfg(feature = "http")]
pub mod http;
mod open;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod schema;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(all(feature = "testing", unix))]
pub mod testing;
#[cfg(feature = "wire")]
pub mod wire;

/// The Rust in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use config::{RedisUrl, StoreConfig, StoreUrl};
pub use database_url::DatabaseUrl;
pub use open::open;
