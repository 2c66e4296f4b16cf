//! The conformance suite on PostgreSQL, with each wrapper that may stand in front of a store that others write too.
#![cfg(all(feature = "postgres", unix))]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use async_trait::async_trait;
use kverse_core::testing::wrappers::{Coalesced, GroupCommit, Observed};
use kverse_core::testing::{Backend, Wrapped};
use kverse_core::{CachedStore, ErrorKind, KvStore, MemoryCache, SystemClock};
use kverse_store::postgres::{PostgresConfig, PostgresStore};
use kverse_store::testing::{PostgresServer, TestDatabase};

struct Postgres {
    // Before `database`: the store ends before its database does. `None` only while it restarts.
    store: Option<Arc<PostgresStore>>,
    database: TestDatabase<'static>,
}

impl Postgres {
    async fn open(&mut self) {
        let config = PostgresConfig::new(self.database.url().parse().unwrap());
        let store = PostgresStore::open(config.with_max_connections(4)).await;
        self.store = Some(Arc::new(store.unwrap()));
    }
}

#[async_trait]
impl Backend for Postgres {
    async fn start() -> Self {
        let mut postgres = Self {
            store: None,
            database: PostgresServer::shared().create_database(),
        };
        postgres.open().await;
        postgres
    }

    fn store(&self) -> Arc<dyn KvStore> {
        Arc::clone(self.store.as_ref().unwrap()) as _
    }

    async fn restart(&mut self) -> bool {
        self.store = None;
        self.open().await;
        true
    }
}

/// What the server stacks, but for a cache.
type Stack = Wrapped<Wrapped<Wrapped<Postgres, Coalesced>, GroupCommit>, Observed>;

kverse_core::conformance!(postgres, Postgres, durable);
kverse_core::conformance!(coalesced_postgres, Wrapped<Postgres, Coalesced>, durable);
kverse_core::conformance!(group_commit_postgres, Wrapped<Postgres, GroupCommit>, durable);
kverse_core::conformance!(observed_postgres, Wrapped<Postgres, Observed>, durable);
kverse_core::conformance!(stacked_postgres, Stack, durable);

#[tokio::test]
async fn a_cache_in_the_process_is_refused() {
    let postgres = Postgres::start().await;
    let cache = Arc::new(MemoryCache::new(1 << 20));
    let refused = CachedStore::new(cache, postgres.store(), Arc::new(SystemClock));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
}
