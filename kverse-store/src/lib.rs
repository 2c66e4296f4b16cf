//! The KVerse backends, opened by URL.
#![deny(missing_docs)]

mod config;
mod database_url;
#[cfg(feature = "http")]
pub mod http;
mod open;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(all(feature = "testing", unix))]
pub mod testing;
#[cfg(feature = "wire")]
pub mod wire;

pub use config::{StoreConfig, StoreUrl};
pub use database_url::DatabaseUrl;
pub use open::open;
