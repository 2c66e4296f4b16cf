//! The KVerse store: a trait, its contract, and the wrappers that make a backend fast and observable.
#![deny(missing_docs)]

mod clock;
mod entry;
mod error;
mod ext;
mod key;
mod limits;
mod memory;
pub mod row;
mod scan;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod version;
mod write;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use entry::{ContentType, Entry};
pub use error::{Error, ErrorKind, Result};
pub use ext::KvStoreExt;
pub use key::{Key, Prefix};
pub use limits::Limits;
pub use memory::MemoryStore;
pub use scan::{Cursor, Page, ScanEntry, ScanOptions};
pub use store::{CacheStatus, Capabilities, ComponentHealth, KvStore, ReadOutcome, Stats};
pub use version::Version;
pub use write::{
    Expiry, Operation, OperationOutcome, Precondition, PutOptions, Write, WriteAction, WriteId,
    WriteOutcome,
};
