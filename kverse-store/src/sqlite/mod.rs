//! Embedded SQLite.

mod backup;
mod config;
mod connection;
mod error;
mod feed;
mod lock;
mod metrics;
mod migrate;
mod pool;
mod queue;
mod rows;
mod statements;
mod tokens;
mod transaction;
mod writer;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use diesel::connection::{Connection, SimpleConnection};
use kverse_core::{
    CacheStatus, Capabilities, ChangePage, ChangesOptions, Clock, ComponentHealth, Count, Error,
    ErrorKind, Key, KeyRange, KvStore, Limits, Operation, OperationOutcome, Page, Prefix,
    ReadOutcome, Result, ScanOptions, Stats, Write, WriteOutcome,
};

use self::error::{SqliteError, while_opening};
use self::lock::DatabaseLock;
use self::pool::Readers;
use self::queue::Queue;
use self::writer::Writer;

pub use self::config::SqliteConfig;
pub use self::writer::Swept;

/// A store in an SQLite file, or in memory.
///
/// One thread writes; whatever waits when a commit ends is the next commit, and each commit is synced to the disk before
/// its writes are answered. Other connections read meanwhile. One store at a time uses a file, held by a lock on
/// `PATH.lock`; other programs may read it.
///
/// A write is waited for as long as the disk takes. Where a disk may hang, put a time limit around the call, or a wrapper
/// as [`open`](crate::open) does: the write goes on, and may or may not be stored.
///
/// When the last handle is dropped, the thread does what was accepted and ends; the drop waits for that.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use kverse_core::{Key, KvStoreExt};
/// use kverse_store::sqlite::{SqliteConfig, SqliteStore};
///
/// let directory = tempfile::tempdir()?;
/// let store = SqliteStore::open(SqliteConfig::new(directory.path().join("kverse.db"))).await?;
/// let key: Key = "greeting".parse()?;
/// store.put(&key, "hello").await?;
/// assert_eq!(store.get(&key).await?.map(|entry| entry.value), Some("hello".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    readers: Readers,
    queue: Queue,
    writer: Option<JoinHandle<()>>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    /// Whether there is a feed of changes.
    feed: bool,
    name: String,
    durable: bool,
}

impl SqliteStore {
    /// How long a health check may take before the database counts as unhealthy.
    const CHECK_WAIT: Duration = Duration::from_secs(5);

    /// Opens the database, making it if it is not there.
    ///
    /// # Errors
    /// `Unavailable` if the file cannot be used, or is in use by another process; `Corrupt` if it is not an SQLite
    /// database; `Unsupported` if a newer version of KVerse made it; `InvalidInput` if the path is not that of a file.
    pub async fn open(config: SqliteConfig) -> Result<Self> {
        tokio::task::spawn_blocking(move || {
            Self::open_blocking(&config)
                .map_err(|error| while_opening(config.path.as_deref(), error))
        })
        .await
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "opening the database failed").with_source(error)
        })?
    }

    fn open_blocking(config: &SqliteConfig) -> Result<Self, SqliteError> {
        let path = config
            .path
            .as_deref()
            .map(connection::resolve)
            .transpose()?;
        let path = path.as_deref();
        let lock = path.map(DatabaseLock::take).transpose()?;
        let mut connection = connection::open_writer(path, config.max_bytes)?;
        migrate::migrate(&mut connection)?;
        let readers = Readers::open(path, config.readers)?;
        let writer = Writer::new(connection, path.map(wal_path), lock, config)?;
        let feed = writer.feed.is_some();
        let (queue, jobs) = Queue::new();
        let sweep_interval = config.sweep_interval;
        let writer = thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || writer.serve(&jobs, sweep_interval))?;
        Ok(Self {
            readers,
            queue,
            writer: Some(writer),
            clock: Arc::clone(&config.clock),
            limits: config.limits,
            feed,
            name: match &config.path {
                Some(path) => format!("sqlite:{}", path.display()),
                None => "sqlite::memory:".to_owned(),
            },
            durable: path.is_some(),
        })
    }

    /// Turns expired entries into tombstones and removes old tombstones, now instead of at the next interval.
    pub async fn sweep(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        loop {
            let step = self.queue.call(Writer::sweep).await?;
            swept.expired += step.expired;
            swept.removed += step.removed;
            swept.compacted += step.compacted;
            if !step.has_more() {
                return Ok(swept);
            }
        }
    }

    /// Has entries that have expired told in the feed. The writer is only asked if there are any.
    async fn bury_expired(&self) -> Result<()> {
        let now = self.clock.now();
        let has_expired = move |connection: &mut _| Ok(statements::has_expired(connection, now)?);
        if self.readers.run(&self.queue, has_expired).await? {
            while self.queue.call(Writer::bury).await? {}
        }
        Ok(())
    }

    /// Writes and reads.
    async fn probe(&self) -> Result<()> {
        self.queue.call(Writer::probe).await?;
        let read = |connection: &mut _| {
            SimpleConnection::batch_execute(connection, "SELECT 1")?;
            Ok(())
        };
        self.readers.run(&self.queue, read).await
    }
}

fn wal_path(path: &Path) -> std::path::PathBuf {
    let mut name = OsString::from(path);
    name.push("-wal");
    name.into()
}

impl fmt::Display for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take() {
            // An error is a panic of the writer, which has been printed.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl KvStore for SqliteStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.limits.check_batch(keys.len(), 0)?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let keys = keys.to_vec();
        let clock = Arc::clone(&self.clock);
        let mut budget = self.limits.read_budget();
        let read = move |connection: &mut diesel::SqliteConnection| {
            let now = clock.now();
            let mut load = |connection: &mut _| {
                let load = |key| {
                    let entry = statements::load_entry(connection, key, now)?;
                    budget.spend(entry.as_ref())?;
                    Ok(ReadOutcome::new(entry, CacheStatus::Off))
                };
                keys.iter().map(load).collect()
            };
            match keys.len() {
                1 => load(connection),
                // A transaction is a snapshot: all keys as they are at one time.
                _ => connection.transaction(load),
            }
        };
        self.readers.run(&self.queue, read).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        let bytes = writes.iter().map(Write::size).sum();
        self.limits.check_batch(writes.len(), bytes)?;
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        self.queue.write(writes, bytes).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        let bytes = operations.iter().map(Operation::size).sum();
        self.limits.check_batch(operations.len(), bytes)?;
        self.queue.transact(operations, bytes).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        options.check(&self.limits)?;
        let clock = Arc::clone(&self.clock);
        let scan = move |connection: &mut _| {
            let now = clock.now();
            statements::load_page(connection, &options, now)
        };
        self.readers.run(&self.queue, scan).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        options.check(&self.limits)?;
        if !self.feed {
            return Err(Error::no_changes());
        }
        self.bury_expired().await?;
        let load = move |connection: &mut _| feed::load_changes(connection, &options);
        self.readers.run(&self.queue, load).await
    }

    async fn count(&self, prefix: &Prefix, start_after: Option<&Key>) -> Result<Count> {
        let range = KeyRange::new(prefix, start_after);
        let clock = Arc::clone(&self.clock);
        let count = move |connection: &mut _| {
            let now = clock.now();
            statements::count_keys(connection, &range, now)
        };
        self.readers.run(&self.queue, count).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.queue.call(Writer::stats).await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        let started = Instant::now();
        let result = tokio::time::timeout(Self::CHECK_WAIT, self.probe())
            .await
            .unwrap_or_else(|error| {
                let message = format!(
                    "the database did not answer within {} s",
                    Self::CHECK_WAIT.as_secs()
                );
                Err(Error::new(ErrorKind::Timeout, message).with_source(error))
            });
        vec![ComponentHealth::new("database", result, started.elapsed())]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.limits)
            .with_durable(self.durable)
            .with_changes(self.feed)
    }
}
