//! The conformance suite on the stores of this crate.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kverse_core::testing::Backend;
use kverse_core::{KvStore, ManualClock};
use kverse_store::sqlite::{SqliteConfig, SqliteStore};
use tempfile::TempDir;

struct Sqlite {
    // Before `directory`: the store ends before its files do. `None` only while it restarts.
    store: Option<Arc<SqliteStore>>,
    clock: Arc<ManualClock>,
    directory: TempDir,
}

impl Sqlite {
    async fn open(&mut self) {
        let config = SqliteConfig::new(self.directory.path().join("kverse.db"))
            .with_clock(Arc::clone(&self.clock) as _);
        // A task of a wrapper may drop its handle of the closed store a moment after the wrapper.
        let deadline = Instant::now() + Duration::from_secs(10);
        let store = loop {
            match SqliteStore::open(config.clone()).await {
                Err(error) if error.to_string().contains("in use") && Instant::now() < deadline => {
                    tokio::task::yield_now().await;
                }
                opened => break opened.unwrap(),
            }
        };
        self.store = Some(Arc::new(store));
    }
}

#[async_trait]
impl Backend for Sqlite {
    async fn start() -> Self {
        let mut sqlite = Self {
            store: None,
            clock: Arc::default(),
            directory: tempfile::tempdir().unwrap(),
        };
        sqlite.open().await;
        sqlite
    }

    fn store(&self) -> Arc<dyn KvStore> {
        Arc::clone(self.store.as_ref().unwrap()) as _
    }

    fn clock(&self) -> Option<Arc<ManualClock>> {
        Some(Arc::clone(&self.clock))
    }

    async fn restart(&mut self) -> bool {
        self.store = None;
        self.open().await;
        true
    }
}

struct SqliteInMemory {
    store: Arc<SqliteStore>,
    clock: Arc<ManualClock>,
}

#[async_trait]
impl Backend for SqliteInMemory {
    async fn start() -> Self {
        let clock = Arc::<ManualClock>::default();
        let config = SqliteConfig::in_memory().with_clock(Arc::clone(&clock) as _);
        Self {
            store: Arc::new(SqliteStore::open(config).await.unwrap()),
            clock,
        }
    }

    fn store(&self) -> Arc<dyn KvStore> {
        Arc::clone(&self.store) as _
    }

    fn clock(&self) -> Option<Arc<ManualClock>> {
        Some(Arc::clone(&self.clock))
    }
}

kverse_core::conformance!(sqlite, Sqlite, clocked, durable);
kverse_core::conformance!(sqlite_in_memory, SqliteInMemory, clocked);
kverse_core::conformance_of_wrappers!(wrapped_sqlite, Sqlite, clocked, durable);
kverse_core::conformance_of_wrappers!(wrapped_sqlite_in_memory, SqliteInMemory, clocked);
