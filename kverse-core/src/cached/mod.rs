//! Reads through a cache that are never stale.

mod breaker;
mod cache;
mod controller;
mod diagnosis;
mod epoch;
mod fence;
mod flights;
mod in_flight;
mod inspection;
mod marked;
mod marks;
mod memory;
mod mode;
mod replicated;
mod sampler;
mod shared;
mod status;
mod timing;
mod view;
mod writes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join;

pub use cache::{Cache, FetchFailed, Fill, Finish, Lease, Lookup, Mark, Window};
pub use epoch::{CacheError, EpochCache};
pub use fence::{with_write_fence, write_fence};
pub use memory::MemoryCache;
pub use mode::{Heartbeat, Mode, ModeRegister, ModeState};
pub use replicated::ReplicatedCache;
pub use sampler::Sampler;
pub use status::ReplicaStatus;
pub use timing::Timing;
#[doc(hidden)]
pub use view::Rules;

use shared::{Shared, Wanted};

use crate::{
    CacheStatus, Capabilities, ChangePage, ChangesOptions, Clock, ComponentHealth, Count, Entry,
    Error, ErrorKind, Key, KvStore, Operation, OperationOutcome, Page, Prefix, ReadOutcome, Result,
    ScanOptions, Stats, Write, WriteOutcome,
};

/// A store read through a [`Cache`], with the guarantee that a read which starts after a write was answered returns that
/// write or a later one, as if there were no cache.
///
/// A write marks its keys in the cache before it goes to the backend and finishes the marks when its outcome is known;
/// while a mark stands, reads of the key go to the backend and are not cached. A read of an unknown key takes a lease, and
/// what it fetched is cached only if the lease still stands, that is, if no write was marked in between (leases: Nishtala
/// et al., Scaling Memcache at Facebook, NSDI 2013). Scans, counts and the gets of a transaction always go to the
/// backend.
///
/// Before a cache that others share, writes that arrive while a batch is in flight form the next one, which is marked as a
/// whole; callers are answered when it is stored, before the cache is told.
///
/// Fetches and writes run in tasks of their own, so that a caller who goes away leaves no lease and no mark behind. Must
/// be used within a tokio runtime.
#[derive(Debug)]
pub struct CachedStore {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    /// Ends with the store.
    sampler: Option<Sampler>,
}

impl CachedStore {
    /// `backend`, read through `cache`; entries end by `clock`, which must be the backend's.
    ///
    /// A backend must not answer a write, not even with `Timeout`, while it may still be stored: the cache would go on
    /// serving what was there before. The wrapper itself keeps its callers waiting for 30 seconds at most.
    ///
    /// # Errors
    /// `Unsupported` if others write the backend and do not see the cache: reads could be stale.
    pub fn new(
        cache: Arc<dyn Cache>,
        backend: Arc<dyn KvStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        if backend.capabilities().shared && !cache.is_shared() {
            let message =
                format!("others may write {backend}: an in-process cache would serve stale reads");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(Self {
            shared: Arc::new(Shared::new(cache, backend)?),
            clock,
            sampler: None,
        })
    }

    /// The same, compared with the backend for as long as it lives: see [`sample`](Self::sample).
    ///
    /// # Errors
    /// `Internal` if the registry has metrics of these names already.
    pub fn with_sampling(
        mut self,
        interval: Duration,
        sample: usize,
        metrics: Option<&prometheus::Registry>,
    ) -> Result<Self> {
        self.sampler = Some(self.sample(interval, sample, metrics)?);
        Ok(self)
    }

    /// Compares what is cached with the backend from now on, for as long as the sampler is kept: every `interval`, up to
    /// `sample` of the keys that were hit. See [`Sampler`] for the metrics.
    ///
    /// # Errors
    /// `Internal` if the registry has metrics of these names already.
    pub fn sample(
        &self,
        interval: Duration,
        sample: usize,
        metrics: Option<&prometheus::Registry>,
    ) -> Result<Sampler> {
        Sampler::start(Arc::clone(&self.shared), interval, sample, metrics)
    }

    /// What a read costs that finds everything in the cache.
    fn all_hits(&self, keys: &[Key], found: &[Lookup]) -> Option<Vec<ReadOutcome>> {
        let mut outcomes = Vec::with_capacity(found.len());
        for (key, lookup) in keys.iter().zip(found) {
            let Lookup::Hit(entry) = lookup else {
                return None;
            };
            self.shared.sampled.hit(key);
            outcomes.push(self.hit(entry.clone()));
        }
        Some(outcomes)
    }

    /// A cached entry may have ended since.
    fn hit(&self, entry: Option<Entry>) -> ReadOutcome {
        let live =
            entry.filter(|entry| entry.expires_at.is_none() || !entry.is_expired(self.clock.now()));
        ReadOutcome::new(live, CacheStatus::Hit)
    }

    /// Hits and fetched entries together.
    fn within_budget(&self, outcomes: Vec<ReadOutcome>) -> Result<Vec<ReadOutcome>> {
        if outcomes.len() > 1 {
            let mut budget = self.capabilities().limits.read_budget();
            for outcome in &outcomes {
                budget.spend(outcome.entry.as_ref())?;
            }
        }
        Ok(outcomes)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl KvStore for CachedStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        let found = self.shared.cache.lookup(keys).await;
        if let Some(outcomes) = self.all_hits(keys, &found) {
            return self.within_budget(outcomes);
        }
        let wanted = keys.iter().cloned().zip(found).map(Wanted::new).collect();
        // Boxed, so that a hit does not pay for its size.
        let found = Box::pin(self.shared.resolve(wanted)).await?;
        let outcome = |(entry, status)| match status {
            CacheStatus::Hit => self.hit(entry),
            _ => ReadOutcome::new(entry, status),
        };
        self.within_budget(found.into_iter().map(outcome).collect())
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        self.shared.write(writes).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        self.shared.transact(operations).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.shared.backend.scan(options).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.shared.backend.changes(options).await
    }

    async fn count(&self, prefix: &Prefix, start_after: Option<&Key>) -> Result<Count> {
        self.shared.backend.count(prefix, start_after).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.shared.backend.stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        let checks = join(self.shared.backend.check(), self.shared.cache.check());
        let (mut components, cache) = checks.await;
        components.extend(cache);
        components
    }

    fn capabilities(&self) -> Capabilities {
        self.shared.backend.capabilities()
    }

    async fn close(&self) {
        self.shared.cache.leave().await;
        self.shared.backend.close().await;
    }
}

impl fmt::Display for CachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cached({}, {})", self.shared.cache, self.shared.backend)
    }
}
