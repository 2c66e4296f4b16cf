//! The KVerse store: a trait, its contract, and the wrappers that make a backend fast and observable.
//!
//! A store maps a [`Key`] to an [`Entry`]: a value of bytes with a [`Version`], a content type and an expiry. Backends and
//! wrappers implement [`KvStore`], a trait of few methods; users call those of [`KvStoreExt`]:
//!
//! ```
//! # tokio::runtime::Builder::new_multi_thread().enable_time().build()?.block_on(async {
//! use std::time::Duration;
//!
//! use kverse_core::{Key, KvStoreExt, MemoryStore, PutOptions, ScanOptions};
//!
//! let store = MemoryStore::default();
//! let key: Key = "session/42".parse()?;
//!
//! // Store with a time to live, and read back.
//! let put = store.put_opts(&key, "data", PutOptions::default().with_ttl(Duration::from_secs(60))).await?;
//! let entry = store.get(&key).await?.expect("it was just stored");
//! assert_eq!((entry.value.as_ref(), entry.version), (b"data".as_ref(), put.version));
//!
//! // Replace it only if nobody else did.
//! store.compare_and_swap(&key, Some(entry.version), "newer").await?;
//! assert!(store.compare_and_swap(&key, Some(entry.version), "too late").await.is_err());
//!
//! // Read, change, write.
//! let counter: Key = "counter".parse()?;
//! store.update(&counter, |entry| {
//!     let count: u64 = entry.map_or(0, |entry| String::from_utf8_lossy(&entry.value).parse().unwrap_or(0));
//!     Some((count + 1).to_string().into())
//! }).await?;
//!
//! // List, a page at a time.
//! let page = kverse_core::KvStore::scan(&store, ScanOptions::new("session/".parse()?).with_limit(10)).await?;
//! assert_eq!(page.entries.len(), 1);
//! # Ok::<(), kverse_core::Error>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is here
//! - [`MemoryStore`], a backend in memory. Durable ones, and opening one by its URL, are in the crate `kverse-store`.
//! - Wrappers, each a store around another: [`ObservedStore`] (metrics), [`GroupCommitStore`] (concurrent writes share a
//!   commit), [`CachedStore`] (reads from a [`cached::Cache`] that are never stale, one in the process or, by
//!   [`cached::ReplicatedCache`], one that replicas share), [`CoalescedStore`] (concurrent reads share a fetch),
//!   stacked in this order.
//! - [`row`], the rules of a write, for those who write a backend; `testing` (feature `testing`), the conformance suite
//!   that tells whether it keeps the contract.
//! - [`Limits`], every limit in one place. [`Error`], whose [`ErrorKind`] decides what follows.
//!
//! Wrappers run their batches in tasks of the current tokio runtime, which must have time enabled, and wait for an answer at
//! most 30 seconds.
#![deny(missing_docs)]

mod answer;
mod batch_queue;
pub mod cached;
mod calls;
mod changes;
mod clock;
mod coalesced;
mod count;
mod cursor;
mod delimiter;
mod entry;
mod error;
mod ext;
mod group_commit;
mod key;
mod limits;
mod memory;
mod observed;
mod page;
pub mod row;
mod scan;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod version;
mod write;

pub use cached::{CachedStore, MemoryCache};
pub use changes::{Change, ChangeKind, ChangePage, ChangePosition, ChangesOptions};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use coalesced::CoalescedStore;
pub use count::Count;
pub use cursor::Cursor;
pub use delimiter::Delimiter;
pub use entry::{ContentType, Entry};
pub use error::{Error, ErrorKind, Result};
pub use ext::KvStoreExt;
pub use group_commit::GroupCommitStore;
pub use key::{Key, Prefix};
pub use limits::{Limits, ReadBudget};
pub use memory::MemoryStore;
pub use observed::ObservedStore;
pub use page::{Page, PageBuilder, ScannedRow};
pub use scan::{KeyRange, ScanEntry, ScanOptions};
pub use store::{CacheStatus, Capabilities, ComponentHealth, KvStore, ReadOutcome, Stats};
pub use version::Version;
pub use write::{
    Expiry, Operation, OperationOutcome, Precondition, PutOptions, Write, WriteAction, WriteId,
    WriteOutcome,
};
