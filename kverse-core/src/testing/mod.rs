//! The conformance suite: the contract of [`KvStore`] as tests, for whoever writes a store.
//!
//! Each behaviour is a public function, and [`conformance!`](crate::conformance) makes each of them a test of its own for
//! a [`Backend`]. What a store cannot do is declared, and the declaration is checked: see the macro.
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use kverse_core::testing::Backend;
//! use kverse_core::{KvStore, Limits, ManualClock, MemoryStore};
//!
//! struct Memory {
//!     clock: Arc<ManualClock>,
//!     store: Arc<MemoryStore>,
//! }
//!
//! #[async_trait]
//! impl Backend for Memory {
//!     async fn start() -> Self {
//!         let clock = Arc::new(ManualClock::default());
//!         let store = MemoryStore::new(Arc::<ManualClock>::clone(&clock), Limits::default());
//!         Self { clock, store: Arc::new(store) }
//!     }
//!
//!     fn store(&self) -> Arc<dyn KvStore> {
//!         Arc::<MemoryStore>::clone(&self.store)
//!     }
//!
//!     fn clock(&self) -> Option<Arc<ManualClock>> {
//!         Some(Arc::clone(&self.clock))
//!     }
//! }
//!
//! kverse_core::conformance!(memory, Memory, clocked);
//! # fn main() {}
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod backend;
pub mod basic;
pub mod batches;
pub mod changes;
pub mod clocked;
pub mod concurrency;
pub mod conditions;
pub mod durable;
pub mod folders;
pub mod history;
pub mod limits;
mod list;
pub mod listing;
pub mod model;
mod operations;
mod reference;
pub mod stats;
pub mod transactions;
pub mod transient;
pub mod ttl;
pub mod unclocked;
pub mod wrappers;
pub mod write_ids;

use bytes::Bytes;

pub use backend::{AnyBackend, Backend, Behaviour, Wrap, Wrapped, run};

use crate::{
    Error, ErrorKind, Key, KvStore, KvStoreExt, Precondition, PutOptions, Result, Version,
};

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

fn put_if(precondition: Precondition) -> PutOptions {
    PutOptions::default().with_precondition(precondition)
}

async fn value(store: &dyn KvStore, key: &Key) -> Option<Bytes> {
    store.get(key).await.unwrap().map(|entry| entry.value)
}

/// Asserts that the precondition did not hold, and that the error tells the version that the key has.
#[track_caller]
fn assert_precondition_failed<T: std::fmt::Debug>(result: Result<T>, current: Option<Version>) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error}");
    assert_eq!(error.current_version(), current, "{error}");
}

/// Asserts that something was over a limit, and that the error tells the limit and the actual number.
#[track_caller]
fn assert_too_large(error: &Error, limit: usize, actual: usize) {
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    let numbers = (error.limit(), error.actual());
    assert_eq!(
        numbers,
        (Some(limit as u64), Some(actual as u64)),
        "{error}"
    );
}
