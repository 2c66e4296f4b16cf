//! The KVerse store: a trait, its contract, and the wrappers that make a backend fast and observable.
#![deny(missing_docs)]

mod batch_queue;
pub mod cached;
mod clock;
mod coalesced;
mod entry;
mod error;
mod ext;
mod group_commit;
mod key;
mod limits;
mod memory;
mod observed;
pub mod row;
mod scan;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod version;
mod write;

pub use cached::{CachedStore, MemoryCache};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use coalesced::CoalescedStore;
pub use entry::{ContentType, Entry};
pub use error::{Error, ErrorKind, Result};
pub use ext::KvStoreExt;
pub use group_commit::GroupCommitStore;
pub use key::{Key, Prefix};
pub use limits::Limits;
pub use memory::MemoryStore;
pub use observed::ObservedStore;
pub use scan::{Cursor, Page, ScanEntry, ScanOptions};
pub use store::{CacheStatus, Capabilities, ComponentHealth, KvStore, ReadOutcome, Stats};
pub use version::Version;
pub use write::{
    Expiry, Operation, OperationOutcome, Precondition, PutOptions, Write, WriteAction, WriteId,
    WriteOutcome,
};
