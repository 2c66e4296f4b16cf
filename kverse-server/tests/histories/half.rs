//! The negative control of the bank: a cache that shows half a transaction.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kverse_core::{
    CacheStatus, Capabilities, ChangePage, ChangesOptions, ComponentHealth, Entry, Key, KvStore,
    MemoryStore, Operation, OperationOutcome, Page, ReadOutcome, Result, ScanOptions, Stats, Write,
    WriteOutcome,
};
use kverse_server::{Config, bind, serve};
use prometheus::Registry;
use tokio::sync::oneshot;

use crate::transfers::Bank;

/// Its transactions are atomic in the database, and no write is lost. But transactions that only read are answered from
/// the cache, which learns of a transaction key by key.
#[derive(Debug, Default)]
struct HalfStore {
    database: MemoryStore,
    cache: Mutex<HashMap<Key, Entry>>,
}

impl HalfStore {
    fn cached(&self, keys: &[Key]) -> Option<Vec<Entry>> {
        let cache = self.cache.lock().unwrap();
        keys.iter().map(|key| cache.get(key).cloned()).collect()
    }

    async fn learn(&self, keys: impl IntoIterator<Item = Key>) -> Result<()> {
        for key in keys {
            // As long as the way to a cache on another machine.
            tokio::time::sleep(Duration::from_millis(1)).await;
            let found = self.database.read(std::slice::from_ref(&key)).await?;
            let mut cache = self.cache.lock().unwrap();
            if let Some(entry) = found.into_iter().find_map(|found| found.entry) {
                let newer = |known: &Entry| known.version > entry.version;
                if !cache.get(&key).is_some_and(newer) {
                    cache.insert(key, entry);
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for HalfStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "half({})", self.database)
    }
}

#[async_trait]
impl KvStore for HalfStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        match self.cached(keys) {
            Some(entries) => {
                let hit = |entry| ReadOutcome::new(Some(entry), CacheStatus::Hit);
                Ok(entries.into_iter().map(hit).collect())
            }
            None => self.database.read(keys).await,
        }
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        let keys: Vec<_> = writes.iter().map(|write| write.key.clone()).collect();
        let outcomes = self.database.write(writes).await?;
        self.learn(keys).await?;
        Ok(outcomes)
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        let keys: Vec<_> = operations.iter().map(|one| one.key().clone()).collect();
        let only_reads = operations
            .iter()
            .all(|one| matches!(one, Operation::Get { .. }));
        if let Some(entries) = self.cached(&keys).filter(|_| only_reads) {
            let get = |entry| OperationOutcome::Get(Some(entry));
            return Ok(entries.into_iter().map(get).collect());
        }
        let outcomes = self.database.transact(operations).await?;
        self.learn(keys).await?;
        Ok(outcomes)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.database.scan(options).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.database.changes(options).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.database.stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.database.check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.database.capabilities()
    }
}

/// The customers of the bank notice.
pub(crate) async fn is_found_out(seed: u64) {
    let config = ["--listen", "127.0.0.1:0", "--workers", "1"];
    let config = Config::try_from_args(config).unwrap();
    let listener = bind(config.listen).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        // A sender that is dropped stops the server as well.
        let shutdown = async { drop(stopped.await) };
        let store: Arc<dyn KvStore> = Arc::new(HalfStore::default());
        serve(store, Registry::new(), &config, listener, shutdown)
            .await
            .unwrap();
    });
    let bank = Bank::open(vec![url], seed).await;
    bank.all_go_on(10_000).await;
    let violations = bank.close().await;
    drop(stop);
    let example = violations.first().expect("a bank that notices nothing");
    println!("half a transaction: found out, for example {example}");
    assert!(example.contains("the sum of"), "{example}");
}
