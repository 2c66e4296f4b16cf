//! The KVerse backends, opened by URL.
#![deny(missing_docs)]

mod config;
#[cfg(feature = "http")]
pub mod http;
mod open;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "wire")]
pub mod wire;

pub use config::{StoreConfig, StoreUrl};
pub use open::open;
