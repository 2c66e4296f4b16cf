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

/// The Rust in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use config::{StoreConfig, StoreUrl};
pub use open::open;
