//! The watch over the promise that reads are never stale.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{IntCounter, Registry};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::cache::{FetchFailed, Fill, Lookup};
use super::shared::Shared;
use crate::{Entry, Key, Result, Version};

/// A task that compares entries of the cache with the backend, until it is dropped.
///
/// | metric | what |
/// |---|---|
/// | `kverse_cache_samples_total` | entries that were compared |
/// | `kverse_cache_inconsistencies_total` | entries that were older than what the backend had before they were looked up: never, or the protocol is broken |
#[derive(Debug)]
pub struct Sampler {
    counters: Arc<Counters>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Counters {
    samples: IntCounter,
    inconsistencies: IntCounter,
}

/// Keys that were hit of late, as many as the sampler has asked for.
#[derive(Debug, Default)]
pub(super) struct Sampled {
    /// How many more are wanted: all that a hit has to look at.
    wanted: AtomicUsize,
    keys: Mutex<VecDeque<Key>>,
}

impl Sampled {
    pub(super) fn hit(&self, key: &Key) {
        if self.wanted.load(Ordering::Relaxed) == 0 {
            return;
        }
        // A hit does not wait for the sampler or for another hit.
        if let Ok(mut keys) = self.keys.try_lock() {
            let left = self.wanted.load(Ordering::Relaxed);
            if left > 0 && !keys.contains(key) {
                keys.push_back(key.clone());
                self.wanted.store(left - 1, Ordering::Relaxed);
            }
        }
    }

    /// The keys that were hit since the last time, and so many more to come.
    fn take(&self, wanted: usize) -> Vec<Key> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        self.wanted.store(wanted, Ordering::Relaxed);
        keys.drain(..).collect()
    }
}

impl Sampler {
    pub(super) fn start(
        shared: Arc<Shared>,
        every: Duration,
        sample: usize,
        metrics: Option<&Registry>,
    ) -> Result<Self> {
        let counters = Arc::new(Counters {
            samples: IntCounter::new(
                "kverse_cache_samples_total",
                "Cached entries that were compared with the database",
            )?,
            inconsistencies: IntCounter::new(
                "kverse_cache_inconsistencies_total",
                "Cached entries that were older than the database",
            )?,
        });
        if let Some(registry) = metrics {
            registry.register(Box::new(counters.samples.clone()))?;
            registry.register(Box::new(counters.inconsistencies.clone()))?;
        }
        let counted = Arc::clone(&counters);
        let task = tokio::spawn(async move {
            let mut turns = interval(every);
            turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                turns.tick().await;
                for key in shared.sampled.take(sample) {
                    shared.compare(&key, &counted).await;
                }
            }
        });
        Ok(Self {
            counters,
            task: task.abort_handle(),
        })
    }

    /// How many entries were compared.
    pub fn samples(&self) -> u64 {
        self.counters.samples.get()
    }

    /// How many of them were older than the backend.
    pub fn inconsistencies(&self) -> u64 {
        self.counters.inconsistencies.get()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// What the backend has, then what is cached: that must not be older. Whatever cannot be compared is left out.
    async fn compare(&self, key: &Key, counters: &Counters) {
        let Some(before) = self.backend_version(key).await else {
            return;
        };
        let cached = match self.cache.lookup(std::slice::from_ref(key)).await.pop() {
            Some(Lookup::Hit(entry)) => entry,
            Some(Lookup::Miss(lease)) => {
                let fill = Fill {
                    key: key.clone(),
                    lease,
                    found: Err(FetchFailed),
                };
                self.cache.fill(vec![fill]).await;
                return;
            }
            Some(Lookup::Busy | Lookup::Bypass | Lookup::Off) | None => return,
        };
        let stale = match &cached {
            Some(entry) => entry.version < before,
            // It may have been deleted in between; not if it is still what it was.
            None => self.backend_version(key).await == Some(before),
        };
        counters.samples.inc();
        if stale {
            counters.inconsistencies.inc();
            let cached = cached.map_or(Version::NONE, |entry: Entry| entry.version);
            tracing::error!(%cached, database = %before, "a cached entry is older than the database");
        }
    }

    /// The version of a key in the backend, if it has an entry.
    async fn backend_version(&self, key: &Key) -> Option<Version> {
        let found = self.backend.read(std::slice::from_ref(key)).await.ok()?;
        found.into_iter().next()?.entry.map(|entry| entry.version)
    }
}
