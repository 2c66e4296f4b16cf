//! Replicas of the service.

use std::sync::Arc;
use std::time::Duration;

use kverse_core::cached::{Mode, ReplicatedCache, Rules, Timing};
use kverse_core::{CacheStatus, CachedStore, Key, KvStoreExt, Result, SystemClock, Version};
use tokio::time::{Instant, sleep};

use crate::cache_link::CacheLink;
use crate::database_link::DatabaseLink;
use crate::links::Links;
use crate::register_link::RegisterLink;
use crate::world::World;

pub(crate) struct Replica {
    pub(crate) links: Arc<Links>,
    pub(crate) cache: Arc<ReplicatedCache>,
    pub(crate) store: Arc<CachedStore>,
}

pub(crate) fn key(text: &str) -> Key {
    text.parse().unwrap()
}

impl Replica {
    pub(crate) fn start(world: &Arc<World>) -> Self {
        Self::start_with(world, Rules::default())
    }

    pub(crate) fn start_with(world: &Arc<World>, rules: Rules) -> Self {
        let links = Links::new(world);
        let cache = ReplicatedCache::start_broken(
            Arc::new(CacheLink(Arc::clone(&links))),
            Arc::new(RegisterLink(Arc::clone(&links))),
            Timing::default(),
            rules,
        );
        let cache = Arc::new(cache.unwrap());
        let database = Arc::new(DatabaseLink(Arc::clone(&links)));
        let store = CachedStore::new(Arc::clone(&cache) as _, database, Arc::new(SystemClock));
        Self {
            links,
            cache,
            store: Arc::new(store.unwrap()),
        }
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        self.cache.status().mode
    }

    pub(crate) async fn put(&self, value: &'static str) -> Result<Version> {
        let outcome = self.store.put(&key("a"), value).await;
        outcome.map(|outcome| outcome.version)
    }

    /// What is read, and what the cache had to do with it.
    pub(crate) async fn get(&self) -> (String, CacheStatus) {
        let read = self.store.lookup(&key("a")).await.unwrap();
        let value = read.entry.map(|entry| entry.value).unwrap_or_default();
        (String::from_utf8_lossy(&value).into_owned(), read.cache)
    }

    /// Reads this value until it is a hit: soon after the write, which does not wait for the cache.
    pub(crate) async fn hit(&self, value: &str) {
        for _ in 0..100 {
            let (read, status) = self.get().await;
            assert_eq!(read, value);
            if status == CacheStatus::Hit {
                return;
            }
            sleep(Duration::from_millis(1)).await;
        }
        panic!("{value} is not cached");
    }

    /// Waits until the replica is in this mode, in an epoch later than `epoch`, for a bounded time. How long it took.
    pub(crate) async fn until(&self, mode: Mode, epoch: u64) -> Duration {
        let began = Instant::now();
        loop {
            let status = self.cache.status();
            if status.mode == Some(mode)
                && status.epoch > epoch
                && (mode != Mode::On || status.hits)
            {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < Duration::from_secs(90),
                "{mode:?} after {epoch}: {status:?}"
            );
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Replicas in an epoch that is on.
pub(crate) async fn replicas<const COUNT: usize>() -> (Arc<World>, [Replica; COUNT]) {
    replicas_with(Rules::default()).await
}

pub(crate) async fn replicas_with<const COUNT: usize>(
    rules: Rules,
) -> (Arc<World>, [Replica; COUNT]) {
    let world = World::new(1);
    let replicas = std::array::from_fn(|_| Replica::start_with(&world, rules));
    for replica in &replicas {
        replica.until(Mode::On, 0).await;
    }
    (world, replicas)
}
