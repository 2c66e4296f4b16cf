//! Exports and imports of many entries as newline-delimited JSON, from and to any store, in constant memory.
//!
//! An [`Export`] gives the entries of a scan as lines ([`EntryLine`](crate::wire::EntryLine)); an [`Import`] takes such lines
//! in pieces of any size. Neither waits for anything but the store, so that the caller decides on pace, time limits and
//! progress.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use kverse_core::{KvStore, KvStoreExt, MemoryStore, Prefix};
//! use kverse_store::transfer::{Export, Import, OnConflict};
//!
//! let (from, to) = (MemoryStore::default(), MemoryStore::default());
//! from.put(&"greeting".parse()?, "hello").await?;
//!
//! let mut export = Export::new(Prefix::default());
//! let mut import = Import::new(to.capabilities().limits, OnConflict::Overwrite);
//! while let Some(chunk) = export.next(&from).await? {
//!     import.push(&to, &chunk.lines).await?;
//! }
//! import.finish(&to).await?;
//! assert_eq!(import.report().imported, 1);
//! # Ok::<(), kverse_core::Error>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod export;
mod import;
mod lines;

pub use export::{Export, ExportChunk};
pub use import::{Import, OnConflict, max_line_bytes};
