//! The negative control: cache-aside as it is usually written, which the harness must find out.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use kverse_core::{
    CacheStatus, Capabilities, ChangePage, ChangesOptions, ComponentHealth, Entry, Error,
    ErrorKind, Key, KvStore, Operation, OperationOutcome, Page, ReadOutcome, Result, ScanOptions,
    Stats, Version, Write, WriteAction, WriteOutcome,
};
use kverse_server::{Config, bind, serve};
use kverse_store::postgres::{PostgresConfig, PostgresStore};
use kverse_store::testing::{PostgresOptions, PostgresServer, RedisServer};
use prometheus::Registry;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use tokio::sync::oneshot;

use crate::cluster::DATABASE;
use crate::workload::{Load, Workload};

/// What a writer does to the cache once the database has the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AfterWrite {
    Set,
    Delete,
}

/// Reads the cache, on a miss the database, and caches what it finds; writes the database, then the cache.
#[derive(Debug)]
struct NaiveStore {
    database: PostgresStore,
    cache: MultiplexedConnection,
    after_write: AfterWrite,
}

impl NaiveStore {
    async fn cached(&self, key: &Key) -> Result<Option<Entry>> {
        let found: Option<Vec<u8>> = self.cache.clone().get(key.as_str()).await.map_err(failed)?;
        Ok(found.as_deref().and_then(|bytes| {
            let (version, value) = bytes.split_first_chunk()?;
            let version = Version::new(u64::from_be_bytes(*version));
            Some(Entry::new(value.to_vec(), version))
        }))
    }

    async fn cache(&self, key: &Key, version: Version, value: &Bytes) -> Result<()> {
        let bytes = [&version.get().to_be_bytes(), &**value].concat();
        let set = self
            .cache
            .clone()
            .set::<_, _, ()>(key.as_str(), bytes)
            .await;
        set.map_err(failed)
    }

    async fn written(&self, key: &Key, action: &WriteAction, version: Version) -> Result<()> {
        match action {
            WriteAction::Put { value, .. } if self.after_write == AfterWrite::Set => {
                self.cache(key, version, value).await
            }
            _ => {
                let delete = self.cache.clone().del::<_, ()>(key.as_str()).await;
                delete.map_err(failed)
            }
        }
    }
}

fn failed(error: redis::RedisError) -> Error {
    Error::new(ErrorKind::Internal, "the cache failed").with_source(error)
}

impl fmt::Display for NaiveStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "naive({})", self.database)
    }
}

#[async_trait]
impl KvStore for NaiveStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        let mut outcomes = Vec::new();
        for key in keys {
            outcomes.push(match self.cached(key).await? {
                Some(entry) => ReadOutcome::new(Some(entry), CacheStatus::Hit),
                None => {
                    let found = self.database.read(std::slice::from_ref(key)).await?;
                    let entry = found.into_iter().next().and_then(|found| found.entry);
                    if let Some(entry) = &entry {
                        self.cache(key, entry.version, &entry.value).await?;
                    }
                    ReadOutcome::new(entry, CacheStatus::Miss)
                }
            });
        }
        Ok(outcomes)
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        let results = self.database.write(writes.clone()).await?;
        for (write, result) in writes.iter().zip(&results) {
            if let Ok(outcome) = result {
                self.written(&write.key, &write.action, outcome.version)
                    .await?;
            }
        }
        Ok(results)
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        let outcomes = self.database.transact(operations.clone()).await?;
        for pair in operations.iter().zip(&outcomes) {
            if let (Operation::Write(write), OperationOutcome::Write(outcome)) = pair {
                self.written(&write.key, &write.action, outcome.version)
                    .await?;
            }
        }
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

/// Runs the same clients on two replicas of the naive service, until the history shows that it serves stale reads. Nothing
/// even has to fail.
pub(crate) async fn is_found_out(after_write: AfterWrite, seed: u64) {
    const PATIENCE: Duration = Duration::from_secs(60);
    /// Writes of each replica between two looks at the history.
    const TURN: usize = 200;
    let postgres = PostgresServer::start(PostgresOptions::default());
    postgres.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
    let redis = RedisServer::start();
    let client = redis::Client::open(redis.url()).unwrap();
    let (mut urls, mut stops) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let database = PostgresConfig::new(postgres.url(DATABASE).parse().unwrap());
        let store = NaiveStore {
            database: PostgresStore::open(database).await.unwrap(),
            cache: client.get_multiplexed_async_connection().await.unwrap(),
            after_write,
        };
        let config = ["--listen", "127.0.0.1:0", "--workers", "1"];
        let config = Config::try_from_args(config).unwrap();
        let listener = bind(config.listen).unwrap();
        urls.push(format!("http://{}", listener.local_addr().unwrap()));
        let (stop, stopped) = oneshot::channel::<()>();
        stops.push(stop);
        tokio::spawn(async move {
            // A sender that is dropped stops the server as well.
            let shutdown = async { drop(stopped.await) };
            serve(
                Arc::<NaiveStore>::new(store) as Arc<dyn KvStore>,
                Registry::new(),
                &config,
                listener,
                shutdown,
            )
            .await
            .unwrap();
        });
    }
    let began = Instant::now();
    let (mut operations, mut hits) = (0, 0);
    for turn in 0.. {
        assert!(
            began.elapsed() < PATIENCE,
            "the harness finds nothing in {operations} operations of naive cache-aside"
        );
        let workload = Workload::start(urls.clone(), Load::CONTENTION, seed.wrapping_add(turn));
        workload.all_write(TURN).await;
        operations += workload.history.len();
        hits += workload.totals().hits;
        // A history is complete when nobody adds to it any more.
        let violations = workload.finish().await;
        if let Some(example) = violations.first() {
            let found = began.elapsed().as_secs_f32();
            println!(
                "naive cache-aside, {after_write:?} after a write: found out after {found:.1} s and {operations} operations, \
                 {hits} hits; {} violations, for example {example}",
                violations.len()
            );
            return;
        }
    }
}
