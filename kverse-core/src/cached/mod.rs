//! Reads through a cache that are never stale.

mod cache;
mod epoch;
mod memory;
mod mode;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use cache::{Cache, FetchFailed, Fill, Finish, Lease, Lookup, Mark};
pub use epoch::{CacheError, EpochCache};
pub use memory::MemoryCache;
pub use mode::{Mode, ModeRegister, ModeState};

use crate::{
    CacheStatus, Capabilities, Clock, ComponentHealth, Entry, Error, ErrorKind, Key, KvStore,
    Operation, OperationOutcome, Page, ReadOutcome, Result, ScanOptions, Stats, Write, WriteAction,
    WriteOutcome,
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
/// Fetches and writes run in tasks of their own, so that a caller who goes away leaves no lease and no mark behind. Must
/// be used within a tokio runtime.
#[derive(Debug)]
pub struct CachedStore {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Shared {
    cache: Arc<dyn Cache>,
    backend: Arc<dyn KvStore>,
}

impl CachedStore {
    /// `backend`, read through `cache`; entries end by `clock`, which must be the backend's.
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
            shared: Arc::new(Shared { cache, backend }),
            clock,
        })
    }

    /// A cached entry may have ended since.
    fn hit(&self, entry: Option<Entry>) -> ReadOutcome {
        let live =
            entry.filter(|entry| entry.expires_at.is_none() || !entry.is_expired(self.clock.now()));
        ReadOutcome::new(live, CacheStatus::Hit)
    }
}

/// Runs to its end even if the caller goes away.
async fn detached<T: Send + 'static>(
    task: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(task).await.unwrap_or_else(|error| {
        let message = "the operation was interrupted: a write may or may not be stored";
        Err(Error::new(ErrorKind::Timeout, message).with_source(error))
    })
}

impl Shared {
    /// Reads keys that the cache could not answer, and fills in those with a lease.
    async fn fetch(&self, keys: Vec<Key>, leases: Vec<Option<Lease>>) -> Result<Vec<ReadOutcome>> {
        let found = self.backend.read(&keys).await;
        let leased = keys.into_iter().zip(leases).enumerate();
        let fills = leased.filter_map(|(index, (key, lease))| {
            let found = match &found {
                Ok(found) => found
                    .get(index)
                    .map(|outcome| outcome.entry.clone())
                    .ok_or(FetchFailed),
                Err(_) => Err(FetchFailed),
            };
            Some(Fill {
                key,
                lease: lease?,
                found,
            })
        });
        let fills: Vec<Fill> = fills.collect();
        if !fills.is_empty() {
            self.cache.fill(fills).await;
        }
        found
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        let mut marked = Marked::default();
        for write in &writes {
            marked.add(write);
        }
        let mark = self.cache.mark(&marked.keys).await?;
        let results = self.backend.write(writes).await;
        let outcomes = results
            .as_ref()
            .ok()
            .map(|results| results.iter().map(|result| result.as_ref().ok()));
        self.cache.finish(mark, marked.outcomes(outcomes)).await;
        results
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        let mut marked = Marked::default();
        for operation in &operations {
            if let Operation::Write(write) = operation {
                marked.add(write);
            }
        }
        let mark = self.cache.mark(&marked.keys).await?;
        let results = self.backend.transact(operations).await;
        let outcomes = match &results {
            Ok(results) => Some(results.iter().filter_map(|result| match result {
                OperationOutcome::Write(outcome) => Some(Some(outcome)),
                OperationOutcome::Get(_) => None,
            })),
            Err(_) => None,
        };
        self.cache.finish(mark, marked.outcomes(outcomes)).await;
        results
    }
}

/// The writes of a batch, kept to tell the cache how they ended.
#[derive(Default)]
struct Marked {
    /// Each key once.
    keys: Vec<Key>,
    index_of: HashMap<Key, usize>,
    /// For each write the index of its key, and what it puts.
    writes: Vec<(usize, Option<Entry>)>,
}

impl Marked {
    fn add(&mut self, write: &Write) {
        let index = *self.index_of.entry(write.key.clone()).or_insert_with(|| {
            self.keys.push(write.key.clone());
            self.keys.len() - 1
        });
        let entry = match &write.action {
            WriteAction::Put {
                value,
                content_type,
                ..
            } => Some(
                Entry::new(value.clone(), crate::Version::NONE)
                    .with_content_type(content_type.clone()),
            ),
            WriteAction::Delete => None,
        };
        self.writes.push((index, entry));
    }

    /// How the writes of each key ended. `outcomes` has one for each write, `None` if it was not done; it is `None` as a
    /// whole if nobody knows.
    fn outcomes<'a>(
        self,
        outcomes: Option<impl Iterator<Item = Option<&'a WriteOutcome>>>,
    ) -> Vec<(Key, Finish)> {
        let Some(outcomes) = outcomes else {
            return self
                .keys
                .into_iter()
                .map(|key| (key, Finish::Unknown))
                .collect();
        };
        let mut finishes: Vec<(Key, Finish)> = self
            .keys
            .into_iter()
            .map(|key| (key, Finish::NotDone))
            .collect();
        for ((index, entry), outcome) in self.writes.into_iter().zip(outcomes) {
            let Some(outcome) = outcome else { continue };
            finishes[index].1 = if outcome.replayed {
                // What was stored under this write's id is not known to be this value.
                Finish::Unknown
            } else {
                let entry = entry.map(|mut entry| {
                    entry.version = outcome.version;
                    entry.with_expires_at(outcome.expires_at)
                });
                Finish::Done(outcome.version, entry)
            };
        }
        finishes
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl KvStore for CachedStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        let found = self.shared.cache.lookup(keys).await;
        let mut outcomes = Vec::with_capacity(keys.len());
        let (mut missing, mut indices, mut leases) = (Vec::new(), Vec::new(), Vec::new());
        for (key, lookup) in keys.iter().zip(found) {
            let (status, lease) = match lookup {
                Lookup::Hit(entry) => {
                    outcomes.push(self.hit(entry));
                    continue;
                }
                Lookup::Miss(lease) => (CacheStatus::Miss, Some(lease)),
                Lookup::Busy | Lookup::Bypass => (CacheStatus::Bypass, None),
                Lookup::Off => (CacheStatus::Off, None),
            };
            indices.push(outcomes.len());
            outcomes.push(ReadOutcome::new(None, status));
            missing.push(key.clone());
            leases.push(lease);
        }
        if missing.is_empty() {
            return Ok(outcomes);
        }
        let shared = Arc::clone(&self.shared);
        let fetched = detached(async move { shared.fetch(missing, leases).await }).await?;
        for (index, fetched) in indices.into_iter().zip(fetched) {
            outcomes[index].entry = fetched.entry;
        }
        Ok(outcomes)
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        let shared = Arc::clone(&self.shared);
        detached(async move { shared.write(writes).await }).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        let shared = Arc::clone(&self.shared);
        detached(async move { shared.transact(operations).await }).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.shared.backend.scan(options).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.shared.backend.stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.shared.backend.check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.shared.backend.capabilities()
    }
}

impl fmt::Display for CachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cached({}, {})", self.shared.cache, self.shared.backend)
    }
}
