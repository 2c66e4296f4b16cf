//! The store trait: the contract between backends, wrappers and everything above.

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{
    ChangePage, ChangesOptions, Count, Entry, Error, Key, Limits, Operation, OperationOutcome,
    Page, Prefix, Result, ScanOptions, Timestamp, Write, WriteOutcome,
};

/// A key-value store: a backend, or a wrapper around another store.
///
/// This is the minimum for those who implement a store; those who use one call the methods of
/// [`KvStoreExt`](crate::KvStoreExt). `Display` prints the store with all that it wraps, without secrets.
///
/// # Contract
/// - Each operation on a key is linearizable: a read that starts after a write was answered sees that write or a later
///   one.
/// - Versions of a key only grow, across deletes and restarts.
/// - What an entry's `expires_at` says is exact: at that time, by the store's clock, it is absent.
/// - A write is stored when its outcome is returned, as durably as [`Capabilities::durable`] says.
/// - A write whose [`WriteId`](crate::WriteId) is that of the last write of its key is not done again: it gets the first
///   outcome, marked `replayed`.
/// - Limits are enforced: see [`Limits`].
///
/// The conformance suite in `kverse_core::testing` (feature `testing`) states this contract as tests.
///
/// # Errors
/// By [`ErrorKind`](crate::ErrorKind). `Unavailable`, `StorageFull`: not done, try again later. `Timeout`: a write may or
/// may not be stored. A key that does not exist is not an error.
///
/// # Cancellation
/// A future of a read or scan may be dropped at any time. A dropped write may or may not be done, never half.
#[async_trait]
pub trait KvStore: Debug + Display + Send + Sync + 'static {
    /// Reads keys, each on its own; the results are in the order of the keys.
    ///
    /// # Errors
    /// `TooLarge` for more keys than [`Limits::max_batch_operations`], and if what they hold has more bytes than
    /// [`Limits::max_batch_bytes`], unless it is a single value: read fewer at once.
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>>;

    /// Does independent writes; each has its own result, in the order of the writes. Writes of the same key are done in
    /// that order.
    ///
    /// # Errors
    /// The outer error means that the whole call failed. `TooLarge` for more writes or bytes than one batch may hold.
    /// The inner errors are `PreconditionFailed` and `TooLarge` of a single value, and where the store ran full,
    /// `StorageFull` of what did not fit, or what else befell that write alone.
    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>>;

    /// Does all operations, in order, at one point in time, or none. Gets see the writes before them.
    ///
    /// # Errors
    /// `Conflict` with the index of the first operation whose precondition does not hold, and the current version of its
    /// key. `TooLarge` as for [`write`](Self::write) and, of the gets, for [`read`](Self::read).
    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>>;

    /// Lists keys in byte order, a page at a time. A key that exists throughout a scan is listed exactly once, or the
    /// folder that it is in.
    ///
    /// # Errors
    /// `InvalidInput` and `TooLarge` for a page size out of bounds.
    async fn scan(&self, options: ScanOptions) -> Result<Page>;

    /// Reads the feed of changes, a page at a time: all that happened to the keys with a prefix since a position.
    ///
    /// - Every change that was answered is in the feed, at least once, until it is no longer kept; a store may show it a
    ///   moment later. A write that changed nothing has none: a failed condition, a replay, a delete of an absent key.
    /// - The changes of a key come in the order of its versions. Those of a transaction follow each other, in its order;
    ///   a page may end between them.
    /// - What is on a page was committed before: a read that follows finds the version of the change or a later one.
    /// - An entry that ends is an [`Expire`](crate::ChangeKind::Expire) once the store has noticed, which takes about a
    ///   second; if the key was written before that, its next change tells.
    /// - A page is bounded by [`ChangesOptions::limit`] and by what is looked at to find the prefix
    ///   ([`ChangesOptions::EXAMINED`]): it may be empty, and yet its position further. Nothing is lost or repeated by
    ///   going on from the position of a page, or of a change.
    /// - From no position, the page is empty and its position the present one: everything answered from then on comes
    ///   after it, and some of what was answered just before may.
    ///
    /// # Errors
    /// `Gone` for a position whose changes are no longer all kept, or that this feed never gave. `InvalidInput` and
    /// `TooLarge` for a page size out of bounds. `Unsupported` if the store has no feed: see [`Capabilities::changes`].
    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage>;

    /// Counts the keys that begin with `prefix` and come after `start_after`, without fetching them, in bounded time: see
    /// [`Count::next`]. A key that exists throughout is counted exactly once. Default: scans the keys.
    async fn count(&self, prefix: &Prefix, start_after: Option<&Key>) -> Result<Count> {
        let limits = self.capabilities().limits;
        let mut options = ScanOptions::new(prefix.clone())
            .with_start_after(start_after.cloned())
            .with_limit(limits.max_page_entries)
            .with_max_bytes(limits.max_page_bytes);
        let mut count = Count::default();
        for _ in 0..Count::MAX_ROWS.div_ceil(limits.max_page_entries) {
            let page = self.scan(options.clone()).await?;
            count.keys += page.entries.len() as u64;
            count.next = page.next;
            if count.next.is_none() {
                break;
            }
            options.start_after.clone_from(&count.next);
        }
        Ok(count)
    }

    /// Counts what is stored.
    async fn stats(&self) -> Result<Stats>;

    /// Checks every component that the store stands on by using it: a database that cannot be written is unhealthy.
    async fn check(&self) -> Vec<ComponentHealth>;

    /// What this store can do.
    fn capabilities(&self) -> Capabilities;

    /// Says good-bye, when no operation is under way and none will follow: those who share the store need not wait for
    /// this process then, as they would if it had died. Best effort, for a few seconds at most.
    async fn close(&self) {}
}

#[async_trait]
impl<S: KvStore + ?Sized> KvStore for Arc<S> {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        (**self).read(keys).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        (**self).write(writes).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        (**self).transact(operations).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        (**self).scan(options).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        (**self).changes(options).await
    }

    async fn count(&self, prefix: &Prefix, start_after: Option<&Key>) -> Result<Count> {
        (**self).count(prefix, start_after).await
    }

    async fn stats(&self) -> Result<Stats> {
        (**self).stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        (**self).check().await
    }

    fn capabilities(&self) -> Capabilities {
        (**self).capabilities()
    }

    async fn close(&self) {
        (**self).close().await;
    }
}

/// What a read found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOutcome {
    /// The entry; `None` if the key does not exist.
    pub entry: Option<Entry>,
    /// What the cache had to do with it.
    pub cache: CacheStatus,
}

impl ReadOutcome {
    /// What was found, and what the cache had to do with it.
    pub fn new(entry: Option<Entry>, cache: CacheStatus) -> Self {
        Self { entry, cache }
    }
}

/// What the cache had to do with a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(rename_all = "lowercase")
)]
pub enum CacheStatus {
    /// The cache answered.
    Hit,
    /// The cache did not know the key; the database answered, and the cache learned it.
    Miss,
    /// A write of the key was in flight, or another read was learning it; the database answered.
    Bypass,
    /// There is no cache, or it is switched off.
    Off,
}

impl CacheStatus {
    /// The status as in the `KVerse-Cache` header and in metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
            Self::Off => "off",
        }
    }
}

/// Counts of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys that exist.
    pub items: u64,
    /// When they were counted.
    pub as_of: Timestamp,
}

impl Stats {
    /// So many keys existed at that time.
    pub fn new(items: u64, as_of: Timestamp) -> Self {
        Self { items, as_of }
    }
}

/// The health of one component, for example the database.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ComponentHealth {
    /// The name of the component.
    pub name: Cow<'static, str>,
    /// Whether it works.
    pub result: Result<(), Error>,
    /// How long the check took.
    pub elapsed: Duration,
    /// Whether the store cannot serve without it. A shared cache is not: without it the database serves.
    pub required: bool,
    /// More about its state, for people.
    pub detail: Option<String>,
}

impl ComponentHealth {
    /// The outcome of checking the component.
    pub fn new(name: impl Into<Cow<'static, str>>, result: Result<()>, elapsed: Duration) -> Self {
        Self {
            name: name.into(),
            result,
            elapsed,
            required: true,
            detail: None,
        }
    }

    /// The same with more about its state.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same for a component that the store can, or cannot, do without.
    #[must_use]
    pub fn with_required(mut self, required: bool) -> Self {
        self.required = required;
        self
    }
}

/// What a store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whether an answered write survives the end of the process and of the machine.
    pub durable: bool,
    /// Whether others may write the same data without going through this store. Then an in-process cache in front of it
    /// would serve stale reads.
    pub shared: bool,
    /// Whether it has a feed of changes.
    pub changes: bool,
    /// The limits that the store enforces.
    pub limits: Limits,
}

impl Capabilities {
    /// Capabilities with these limits: neither durable nor shared, without changes.
    pub fn new(limits: Limits) -> Self {
        Self {
            durable: false,
            shared: false,
            changes: false,
            limits,
        }
    }

    /// The same, durable or not.
    #[must_use]
    pub fn with_durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// The same, shared or not.
    #[must_use]
    pub fn with_shared(mut self, shared: bool) -> Self {
        self.shared = shared;
        self
    }

    /// The same, with a feed of changes or without.
    #[must_use]
    pub fn with_changes(mut self, changes: bool) -> Self {
        self.changes = changes;
        self
    }
}
