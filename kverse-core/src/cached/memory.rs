//! The in-process cache.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use prometheus::{PullingGauge, Registry};
use quick_cache::unsync::Cache as Evicting;
use quick_cache::{DefaultHashBuilder, Weighter};

use super::cache::{Cache, Fill, Finish, Lease, Lookup, Mark};
use crate::{Entry, Key, Result, Version};

/// A cache in this process, bounded by bytes; what is asked for least often is evicted first (Clock-PRO, Jiang et al.,
/// 2005, as in the crate `quick_cache`). Only for a backend that nobody else writes.
///
/// An entry counts its key, value and content type plus [`Self::ENTRY_OVERHEAD`]. Markers and leases are not evicted;
/// there are as many as reads and writes in flight.
pub struct MemoryCache {
    shards: Vec<RwLock<Shard>>,
    hasher: DefaultHashBuilder,
    next_id: AtomicU64,
    capacity: u64,
}

struct Shard {
    entries: Evicting<Key, Option<Entry>, Weight>,
    in_flight: HashMap<Key, InFlight>,
}

enum InFlight {
    Lease {
        lease: Lease,
        until: Instant,
    },
    Marker {
        writers: usize,
        floor: Version,
        tainted: bool,
    },
}

struct Weight;

impl Weighter<Key, Option<Entry>> for Weight {
    fn weight(&self, key: &Key, entry: &Option<Entry>) -> u64 {
        let size = entry.as_ref().map_or(0, |entry| {
            entry.value.len()
                + entry
                    .content_type
                    .as_ref()
                    .map_or(0, |text| text.as_str().len())
        });
        (key.len() + size) as u64 + MemoryCache::ENTRY_OVERHEAD
    }
}

impl MemoryCache {
    /// What an entry costs beside its key, value and content type, in bytes.
    pub const ENTRY_OVERHEAD: u64 = 200;
    /// A reader that has not filled in its lease by then is given up on.
    const LEASE: Duration = Duration::from_secs(5);
    const SHARDS: usize = 16;

    /// An empty cache of so many bytes. A single entry may take a sixteenth of it.
    pub fn new(capacity_bytes: u64) -> Self {
        let shard_bytes = capacity_bytes / Self::SHARDS as u64;
        let expected_items =
            usize::try_from(shard_bytes / (Self::ENTRY_OVERHEAD + 100)).unwrap_or(usize::MAX);
        let shard = || Shard {
            entries: Evicting::with_weighter(expected_items, shard_bytes, Weight),
            in_flight: HashMap::new(),
        };
        Self {
            shards: (0..Self::SHARDS).map(|_| RwLock::new(shard())).collect(),
            hasher: DefaultHashBuilder::default(),
            next_id: AtomicU64::new(0),
            capacity: capacity_bytes,
        }
    }

    /// Has the gauges `kverse_cache_bytes`, `kverse_cache_capacity_bytes` and `kverse_cache_entries` in the registry.
    ///
    /// # Errors
    /// `Internal` if the registry has metrics of these names already.
    pub fn register(self: &Arc<Self>, registry: &Registry) -> Result<()> {
        type Measure = fn(&MemoryCache) -> f64;
        let gauges: [(&str, &str, Measure); 3] = [
            (
                "kverse_cache_bytes",
                "What the cached entries count",
                |cache| cache.bytes() as f64,
            ),
            (
                "kverse_cache_capacity_bytes",
                "What they may count",
                |cache| cache.capacity as f64,
            ),
            ("kverse_cache_entries", "Cached entries", |cache| {
                cache.len() as f64
            }),
        ];
        for (name, help, measure) in gauges {
            let cache = Arc::clone(self);
            let gauge = PullingGauge::new(name, help, Box::new(move || measure(&cache)))?;
            registry.register(Box::new(gauge))?;
        }
        Ok(())
    }

    /// How many bytes the cached entries count now.
    pub fn bytes(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| read(shard).entries.weight())
            .sum()
    }

    /// How many entries are cached now.
    pub fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| read(shard).entries.len())
            .sum()
    }

    /// Whether nothing is cached.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, key: &Key) -> &RwLock<Shard> {
        // Below 16, so it fits.
        let index = self.hasher.hash_one(key) as usize % self.shards.len();
        &self.shards[index]
    }

    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn lookup_one(&self, key: &Key) -> Lookup {
        let shard = self.shard(key);
        if let Some(entry) = read(shard).entries.get(key) {
            return Lookup::Hit(entry.clone());
        }
        let mut shard = write(shard);
        // Another may have filled it in between the two locks.
        if let Some(entry) = shard.entries.get(key) {
            return Lookup::Hit(entry.clone());
        }
        let now = Instant::now();
        match shard.in_flight.get(key) {
            Some(InFlight::Marker { .. }) => return Lookup::Bypass,
            Some(InFlight::Lease { until, .. }) if now < *until => return Lookup::Busy,
            Some(InFlight::Lease { .. }) | None => {}
        }
        let lease = Lease(self.next_id());
        shard.in_flight.insert(
            key.clone(),
            InFlight::Lease {
                lease,
                until: now + Self::LEASE,
            },
        );
        Lookup::Miss(lease)
    }
}

/// A shard is only changed by whole steps, so a panic elsewhere does not spoil it.
fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

impl Shard {
    fn fill(&mut self, fill: Fill) -> bool {
        let MapEntry::Occupied(in_flight) = self.in_flight.entry(fill.key) else {
            return false;
        };
        let holds =
            matches!(in_flight.get(), InFlight::Lease { lease, .. } if *lease == fill.lease);
        if holds {
            let (key, _) = in_flight.remove_entry();
            if let Ok(found) = fill.found {
                self.entries.insert(key, found);
            }
        }
        holds
    }

    fn mark(&mut self, key: &Key) {
        let known = self.entries.remove(key).and_then(|(_, entry)| entry);
        let floor = known.map_or(Version::NONE, |entry| entry.version);
        let marker = InFlight::Marker {
            writers: 1,
            floor,
            tainted: false,
        };
        match self.in_flight.entry(key.clone()) {
            MapEntry::Occupied(mut in_flight) => match in_flight.get_mut() {
                InFlight::Marker { writers, .. } => *writers += 1,
                lease @ InFlight::Lease { .. } => *lease = marker,
            },
            MapEntry::Vacant(vacant) => {
                vacant.insert(marker);
            }
        }
    }

    fn finish(&mut self, key: Key, outcome: Finish) {
        let Some(InFlight::Marker {
            writers,
            floor,
            tainted,
        }) = self.in_flight.get_mut(&key)
        else {
            return;
        };
        *writers -= 1;
        match &outcome {
            Finish::Done(version, _) | Finish::Uncached(version) => {
                *floor = (*floor).max(*version);
            }
            Finish::NotDone => {}
            // It may have written something newer that nobody will report.
            Finish::Unknown => *tainted = true,
        }
        if *writers > 0 {
            return;
        }
        let (floor, tainted) = (*floor, *tainted);
        self.in_flight.remove(&key);
        if let Finish::Done(version, entry) = outcome
            && version == floor
            && !tainted
        {
            self.entries.insert(key, entry);
        }
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn lookup(&self, keys: &[Key]) -> Vec<Lookup> {
        keys.iter().map(|key| self.lookup_one(key)).collect()
    }

    async fn fill(&self, fills: Vec<Fill>) -> Vec<bool> {
        let fill = |fill: Fill| write(self.shard(&fill.key)).fill(fill);
        fills.into_iter().map(fill).collect()
    }

    /// Never fails. A marker has no deadline: it ends with the write itself, which runs in a task of its own.
    async fn mark(&self, keys: &[Key]) -> Result<Mark> {
        for key in keys {
            write(self.shard(key)).mark(key);
        }
        Ok(Mark {
            attempt: self.next_id(),
            window: None,
        })
    }

    async fn finish(&self, _mark: Mark, outcomes: Vec<(Key, Finish)>) {
        for (key, outcome) in outcomes {
            write(self.shard(&key)).finish(key, outcome);
        }
    }

    fn is_shared(&self) -> bool {
        false
    }
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (capacity, bytes, entries) = (self.capacity, self.bytes(), self.len());
        write!(
            f,
            "MemoryCache {{ capacity: {capacity}, bytes: {bytes}, entries: {entries} }}"
        )
    }
}

impl fmt::Display for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "memory cache of {} bytes", self.capacity)
    }
}
