//! The conformance suite on PostgreSQL with Redis in front, as several servers use them.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kverse_core::cached::{Mode, ReplicatedCache, Timing};
use kverse_core::testing::Backend;
use kverse_core::{
    CacheStatus, CachedStore, CoalescedStore, GroupCommitStore, Key, KvStore, KvStoreExt,
};
use kverse_store::postgres::{PostgresConfig, PostgresStore};
use kverse_store::redis::{RedisCache, RedisOptions};
use kverse_store::testing::{PostgresServer, RedisServer, TestDatabase};

struct Replicated {
    // Before `database`: the store ends before its database does. `None` only while it restarts.
    store: Option<Arc<CachedStore>>,
    database: TestDatabase<'static>,
}

/// One server is enough: each database has keys of its own in it.
fn redis() -> &'static RedisServer {
    static SHARED: OnceLock<RedisServer> = OnceLock::new();
    SHARED.get_or_init(RedisServer::start)
}

/// The cache is used as soon as it answers, not some seconds later.
fn timing() -> Timing {
    let mut timing = Timing::default();
    timing.register_interval = Duration::from_millis(20);
    timing.lease = Duration::from_millis(200);
    timing.stable_after = Duration::from_millis(1);
    timing
}

impl Replicated {
    async fn open(&mut self) {
        let config = PostgresConfig::new(self.database.url().parse().unwrap());
        let postgres = PostgresStore::open(config.with_max_connections(4)).await;
        let postgres = Arc::new(postgres.unwrap());
        let prefix = format!("kv-{}", postgres.identity().await.unwrap());
        let options = RedisOptions::default().with_prefix(prefix);
        let redis = Arc::new(RedisCache::new(&redis().url(), options).unwrap());
        let register = Arc::new(postgres.mode_register().unwrap());
        let cache = Arc::new(ReplicatedCache::start(redis, register, timing(), None).unwrap());
        let clock = postgres.clock();
        let coalesced = Arc::new(CoalescedStore::new(postgres, 4));
        let grouped = Arc::new(GroupCommitStore::new(coalesced, None).unwrap());
        let store = CachedStore::new(Arc::clone(&cache) as _, grouped, clock).unwrap();
        self.store = Some(Arc::new(store));
        let deadline = Instant::now() + Duration::from_secs(30);
        while cache.status().mode != Some(Mode::On) {
            assert!(Instant::now() < deadline, "{:?}", cache.status());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[async_trait]
impl Backend for Replicated {
    async fn start() -> Self {
        let mut replicated = Self {
            store: None,
            database: PostgresServer::shared().create_database(),
        };
        replicated.open().await;
        replicated
    }

    fn store(&self) -> Arc<dyn KvStore> {
        Arc::clone(self.store.as_ref().unwrap()) as _
    }

    async fn restart(&mut self) -> bool {
        if let Some(store) = self.store.take() {
            store.close().await;
        }
        self.open().await;
        true
    }
}

kverse_core::conformance!(replicated, Replicated, durable);

/// The suite above reads from Redis indeed.
#[tokio::test]
async fn reads_become_hits() {
    let mut replicated = Replicated::start().await;
    let key: Key = "k".parse().unwrap();
    replicated.store().put(&key, "v").await.unwrap();
    for restarted in [false, true] {
        // On a busy machine a lease of the replica may run out between two reads.
        let deadline = Instant::now() + Duration::from_secs(10);
        while replicated.store().lookup(&key).await.unwrap().cache != CacheStatus::Hit {
            assert!(Instant::now() < deadline, "restarted: {restarted}");
        }
        assert!(replicated.restart().await);
    }
}
