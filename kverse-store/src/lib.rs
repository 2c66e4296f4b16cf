//! The KVerse backends, opened by URL.
#![deny(missing_docs)]

mod config;
#[cfg(feature = "http")]
pub mod http;
mod open;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "wire")]
pub mod wire;

pub use config::{StoreConfig, StoreUrl};
pub use open::open;
