//! The KVerse backends, opened by URL: [`open`] puts one together with the wrappers that belong to it.
//!
//! | URL | feature | what |
//! |---|---|---|
//! | `sqlite:PATH`, `sqlite::memory:` | `sqlite` (default) | an embedded database, for one process |
//! | `postgresql://USER:PASSWORD@HOST/DATABASE` | `postgres` | a database for many, with [`StoreConfig::redis_url`] (feature `redis`) as their cache |
//! | `http://HOST`, `https://HOST` | `http` (default) | a KVerse server |
//! | `memory:` | | lost with the process |
//!
//! Programs that open the same PostgreSQL database with the same Redis are replicas: none of them reads anything older than
//! what any of them has written before.
//!
//! ```no_run
//! # #[tokio::main]
//! # async fn main() -> kverse_core::Result<()> {
//! use kverse_core::KvStoreExt;
//! use kverse_store::{StoreConfig, open};
//!
//! let config = StoreConfig::new("postgresql://kverse@db/kverse?sslmode=verify-full".parse()?)
//!     .with_redis_url(Some("rediss://cache".parse()?));
//! let store = open(&config).await?;
//! store.put(&"greeting".parse()?, "hello").await?;
//! store.close().await; // so that the others need not wait for this one
//! # Ok(()) }
//! ```
#![deny(missing_docs)]

mod config;
mod database_url;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod distrust;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod feed;
#[cfg(feature = "http")]
pub mod http;
mod open;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
mod redis_url;
mod schema;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(all(feature = "testing", unix))]
pub mod testing;
pub mod tokens;
#[cfg(feature = "wire")]
pub mod transfer;
#[cfg(feature = "wire")]
pub mod wire;

/// The Rust in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use config::{StoreConfig, StoreUrl};
pub use database_url::DatabaseUrl;
pub use open::{Opened, backup, migrate, migrations, open, open_with_tokens, revert};
pub use redis_url::RedisUrl;
pub use schema::{Migration, MigrationState};
