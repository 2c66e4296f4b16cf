//! PostgreSQL, which several processes may share.

mod clock;
mod config;
mod connection;
mod error;
mod feed;
mod identity;
mod language;
mod metrics;
mod migrate;
mod overdue;
mod pool;
mod register;
mod rows;
mod scan;
mod session;
mod statements;
mod stats;
mod sweeper;
mod target;
mod tls;
mod tokens;
mod transaction;
mod writer;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use diesel_async::RunQueryDsl;
use kverse_core::{
    CacheStatus, Capabilities, ChangePage, ChangesOptions, Clock, ComponentHealth, Count, Entry,
    Error, ErrorKind, Key, KeyRange, KvStore, Operation, OperationOutcome, Page, Prefix,
    ReadOutcome, Result, ScanOptions, Stats, Timestamp, Write, WriteOutcome,
};
use prometheus::Registry;

use self::error::{PostgresError, while_opening};
use self::feed::Looked;
use self::pool::Connections;
use self::rows::{StoredEntry, to_entry, to_u64};
use self::statements::{Get, GetMany, Probe};
use self::stats::Counter;
use self::sweeper::{Sweeper, Task};
use self::writer::Writer;

use crate::feed::DEFAULT_RETENTION;

pub use self::config::PostgresConfig;
pub use self::register::PostgresModeRegister;
pub use self::sweeper::Swept;

/// A store in a PostgreSQL database, which other replicas may write at the same time.
///
/// A call of [`write`](KvStore::write) is one statement if its writes are puts without conditions, and one transaction
/// otherwise; [`GroupCommitStore`](kverse_core::GroupCommitStore) in front makes concurrent writes one call. Each commit is
/// synced to the database's disk before its writes are answered (if the database has `fsync` on).
///
/// # Time
/// Versions and expiry follow the database's clock, whatever those of the replicas say. If it jumps forward, entries expire
/// early, by as much as it jumped; if it jumps back, they live longer. Versions grow in any case, but run ahead of a clock
/// that went back until it has caught up.
///
/// A write that was held up, for example because this process was paused, is not stored later than
/// [`write_fence`](PostgresConfig::write_fence) says, or its [`kverse_core::cached::write_fence`]; it fails as `Unavailable`. This too is
/// judged by the database's clock: for the first write after that clock went back, the fence is as much too late.
///
/// # The feed of changes
/// Each commit adds a row of all its changes. It can be read as soon as no transaction of the whole database server is
/// under way that began to write before it ended: one that stays open, or a prepared one that is forgotten, holds up the
/// feed of every store on that server until it ends. Reading the feed turns entries that have expired into tombstones.
///
/// # Unknown outcomes
/// When a connection breaks before the answer to a write, the store looks for the write by its id over another
/// connection. If it is there, it was done; if it is not, the error is a `Timeout`, as it is when the database does not answer
/// at all.
///
/// # Runtimes
/// Connections live on the tokio runtime that the store was opened on, which must outlive it; the store may be used from
/// any other. Statements are prepared once a connection, so a pooler between store and database must keep sessions (or
/// know of prepared statements).
#[derive(Debug)]
pub struct PostgresStore {
    writer: Writer,
    sweeper: Sweeper,
    counter: Counter,
    looked: Looked,
    config: PostgresConfig,
    _sweeping: Task,
}

impl PostgresStore {
    /// How long a health check may take before the database counts as unhealthy.
    const CHECK_WAIT: Duration = Duration::from_secs(5);

    /// How often a read is done over another connection when one breaks.
    const READ_ATTEMPTS: u32 = 3;

    /// Connects to the database and brings its schema up to date; if it is, the user needs no right to change it.
    ///
    /// # Errors
    /// `InvalidInput` if the URL is malformed, the login is refused or there is no such database; `Unavailable` if the
    /// database cannot be reached; `Unsupported` if a newer version of KVerse made the schema; `InvalidInput` if the schema is
    /// not up to date, and the user may not change it.
    pub async fn open(config: PostgresConfig) -> Result<Self> {
        let url = config.url.clone();
        Self::connect(config)
            .await
            .map_err(|error| while_opening(&url, error))
    }

    async fn connect(config: PostgresConfig) -> Result<Self, PostgresError> {
        let connections = Connections::new(&config, Arc::default())?;
        migrate::migrate(connections.connect().await?).await?;
        language::check(&connections).await?;
        let feed = feed::adopt(&connections, config.change_retention).await?;
        let change_retention = config.change_retention.unwrap_or(DEFAULT_RETENTION);
        let sweeper = Sweeper {
            connections: connections.clone(),
            interval: config.sweep_interval,
            tombstone_retention: config.tombstone_retention,
            change_retention: feed.then_some(change_retention),
        };
        Ok(Self {
            writer: Writer {
                connections,
                limits: config.limits,
                fence: config.write_fence,
                feed,
            },
            looked: Looked::default(),
            _sweeping: sweeper.clone().start(),
            sweeper,
            counter: Counter::default(),
            config,
        })
    }

    /// The register of the mode of a shared cache in front of this database. Must be called within a tokio runtime, on
    /// which its connections live.
    ///
    /// # Errors
    /// As [`open`](Self::open) for a malformed URL.
    pub fn mode_register(&self) -> Result<PostgresModeRegister> {
        PostgresModeRegister::new(&self.config, self.connections().clock()).map_err(Error::from)
    }

    /// Has the metrics `kverse_postgres_connections`, `kverse_postgres_connections_limit` and
    /// `kverse_postgres_connections_waiting` in the registry.
    ///
    /// # Errors
    /// `Internal` if the registry has metrics of these names already.
    pub fn register(&self, registry: &Registry) -> Result<()> {
        self.connections().register(registry)
    }

    /// Turns expired entries into tombstones and removes old tombstones, now instead of at the next interval.
    pub async fn sweep(&self) -> Result<Swept> {
        self.sweeper.sweep().await
    }

    fn connections(&self) -> &Connections {
        &self.writer.connections
    }

    /// Reads, again if a connection breaks.
    async fn retried<T, F: Future<Output = Result<T, PostgresError>> + Send>(
        &self,
        read: impl Fn() -> F + Send,
    ) -> Result<T> {
        let mut attempts = 1;
        loop {
            match read().await {
                Err(error) if error.is_worth_repeating() && attempts < Self::READ_ATTEMPTS => {
                    attempts += 1;
                }
                Err(PostgresError::NoAnswer(wait)) => {
                    let message = format!(
                        "the database did not answer within {} s",
                        wait.as_secs_f32()
                    );
                    return Err(Error::new(ErrorKind::Timeout, message));
                }
                result => return result.map_err(Error::from),
            }
        }
    }

    async fn get(&self, key: &Key) -> Result<Option<Entry>, PostgresError> {
        let mut lease = self.connections().lease().await?;
        let get = Get::new(key.as_str()).load::<StoredEntry>(&mut lease);
        let found = self.connections().answer(get).await?.pop();
        lease.keep();
        Ok(found.map(to_entry).transpose()?)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<HashMap<String, Entry>, PostgresError> {
        let texts: Vec<&str> = keys.iter().map(Key::as_str).collect();
        let mut lease = self.connections().lease().await?;
        let get = GetMany::new(&texts)
            .load::<(String, Option<Vec<u8>>, Option<String>, i64, Option<i64>)>(&mut lease);
        let found = self.connections().answer(get).await?;
        lease.keep();
        let entry = |(key, value, content_type, version, expires_at)| {
            Ok((key, to_entry((value, content_type, version, expires_at))?))
        };
        found.into_iter().map(entry).collect()
    }

    /// The database's clock, as it is known from the last connection or write, for a cache in front of this store: entries
    /// must not expire by the clock of the replica that reads them.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(self.connections().clock()) as _
    }

    /// The time of the database.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be asked, or cannot be written, which asking does.
    pub async fn now(&self) -> Result<Timestamp> {
        let micros = self.retried(|| self.probe()).await?;
        Ok(Timestamp::from_micros(to_u64(micros)?))
    }

    /// Writes and reads; the time of the database.
    async fn probe(&self) -> Result<i64, PostgresError> {
        let mut lease = self.connections().lease_to_write().await?;
        let asked = Instant::now();
        let probe = async |connection: &mut _| Probe::new().get_result::<i64>(connection).await;
        let now = self.connections().commit(&mut lease, probe).await?;
        self.connections().clock().observe(now, asked);
        let get = Get::new("").load::<StoredEntry>(&mut lease);
        self.connections().answer(get).await?;
        lease.keep();
        Ok(now)
    }
}

impl fmt::Display for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.url.fmt(f)
    }
}

#[async_trait]
impl KvStore for PostgresStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.config.limits.check_batch(keys.len(), 0)?;
        let outcome = |entry| ReadOutcome::new(entry, CacheStatus::Off);
        match keys {
            [] => Ok(Vec::new()),
            [key] => {
                let entry = self.retried(|| self.get(key)).await?;
                Ok(vec![outcome(entry)])
            }
            keys => {
                let found = self.retried(|| self.get_many(keys)).await?;
                let mut budget = self.config.limits.read_budget();
                let read = |key: &Key| {
                    let entry = found.get(key.as_str()).cloned();
                    budget.spend(entry.as_ref())?;
                    Ok(outcome(entry))
                };
                keys.iter().map(read).collect()
            }
        }
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        let bytes = writes.iter().map(Write::size).sum();
        self.config.limits.check_batch(writes.len(), bytes)?;
        self.writer.write(&writes).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        let bytes = operations.iter().map(Operation::size).sum();
        self.config.limits.check_batch(operations.len(), bytes)?;
        self.writer.transact(&operations).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        options.check(&self.config.limits)?;
        self.retried(|| scan::page(self.connections(), &options))
            .await
    }

    async fn count(&self, prefix: &Prefix, start_after: Option<&Key>) -> Result<Count> {
        let range = KeyRange::new(prefix, start_after);
        self.retried(|| scan::count(self.connections(), &range))
            .await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.read_changes(&options).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.retried(|| self.counter.count(self.connections()))
            .await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        let started = Instant::now();
        let result = tokio::time::timeout(Self::CHECK_WAIT, self.now())
            .await
            .map(|now| now.map(|_now| ()))
            .unwrap_or_else(|error| {
                let message = format!(
                    "the database did not answer within {} s",
                    Self::CHECK_WAIT.as_secs()
                );
                Err(Error::new(ErrorKind::Timeout, message).with_source(error))
            });
        vec![
            ComponentHealth::new("database", result, started.elapsed())
                .with_detail(self.connections().describe()),
        ]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.config.limits)
            .with_durable(true)
            .with_shared(true)
            .with_changes(self.writer.feed)
    }
}
