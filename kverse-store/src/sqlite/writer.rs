//! The one thread that writes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use kverse_core::{
    ChangeKind, Clock, Error, ErrorKind, Key, Limits, OperationOutcome, Result, Stats, Write,
    WriteAction, WriteOutcome,
};

use super::connection::MAX_WAL_BYTES;
use super::error::{SqliteError, corrupt};
use super::feed::Feed;
use super::lock::DatabaseLock;
use super::metrics::Metrics;
use super::queue::{Change, Job};
use super::rows::to_version;
use super::statements::{
    Buried, bury_expired, count_expired, count_values, probe, remove_tombstones,
};
use super::transaction::Transaction;

/// A commit takes no further change once it has this many operations, or bytes.
const COMMIT_OPERATIONS: usize = 1000;
const COMMIT_BYTES: usize = 4 << 20;

/// How many rows one step of a sweep changes; writes wait for one step at most.
const SWEEP_ROWS: usize = 256;

/// Owns the connection that writes. Group commit: whatever waits when a commit ends is the next commit. Nobody waits for
/// company, so a lone write is as fast as without.
pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) limits: Limits,
    pub(super) tombstone_retention: Duration,
    /// The feed of changes, if it is kept.
    pub(super) feed: Option<Feed>,
    pub(super) metrics: Metrics,
    /// The rows that hold a value.
    values: i64,
    wal: Option<Wal>,
    /// Given up last, when the connection is closed.
    _lock: Option<DatabaseLock>,
}

/// The write-ahead log.
struct Wal {
    path: PathBuf,
    /// The length at which the writer waits for readers to let it empty the log.
    limit: u64,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Expired entries that became tombstones.
    pub expired: u64,
    /// Old tombstones that were removed.
    pub removed: u64,
    /// Commits that were removed from the feed of changes.
    pub compacted: u64,
}

enum Done {
    Write(Vec<Result<WriteOutcome>>),
    Transact(Result<Vec<OperationOutcome>>),
}

impl Writer {
    /// A writer over this connection, whose schema is up to date.
    pub(super) fn new(
        mut connection: SqliteConnection,
        wal: Option<PathBuf>,
        lock: Option<DatabaseLock>,
        config: &super::SqliteConfig,
    ) -> Result<Self, SqliteError> {
        Ok(Self {
            values: count_values(&mut connection)?,
            feed: Feed::adopt(&mut connection, config.change_retention)?,
            connection,
            clock: Arc::clone(&config.clock),
            limits: config.limits,
            tombstone_retention: config.tombstone_retention,
            metrics: Metrics::new(config.metrics.as_ref())?,
            wal: wal.map(|path| Wal {
                path,
                limit: MAX_WAL_BYTES,
            }),
            _lock: lock,
        })
    }

    /// The connection, for reads outside a transaction.
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Does jobs until the queue is closed, and sweeps at the interval, which is one of the store's clock.
    pub(super) fn serve(mut self, jobs: &Receiver<Job>, sweep_interval: Duration) {
        let mut swept_at = self.clock.now();
        let mut wait = sweep_interval;
        loop {
            let goes_on = match jobs.recv_timeout(wait) {
                Ok(job) => self.take(job, jobs),
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => false,
            };
            if !goes_on {
                break;
            }
            let now = self.clock.now();
            // A clock that went back would else put off the sweep for as long.
            let due = now >= swept_at.saturating_add(sweep_interval) || now < swept_at;
            let more_to_sweep = due && self.sweep_a_little();
            if due && !more_to_sweep {
                swept_at = now;
            }
            // The next step comes at once, but after the jobs that wait.
            wait = if more_to_sweep {
                Duration::ZERO
            } else {
                sweep_interval
            };
        }
        self.close();
    }

    /// Does a job, and with it the changes that wait behind it; whether the queue goes on.
    fn take(&mut self, first: Job, jobs: &Receiver<Job>) -> bool {
        let mut changes = Vec::new();
        let (mut operations, mut bytes) = (0, 0);
        let mut next = Some(first);
        while let Some(Job::Change(change)) = next {
            operations += change.operations();
            bytes += change.bytes();
            changes.push(change);
            let full = operations >= COMMIT_OPERATIONS || bytes >= COMMIT_BYTES;
            next = if full { None } else { jobs.try_recv().ok() };
        }
        if !changes.is_empty() {
            self.change(changes);
            self.bound_wal();
        }
        match next {
            Some(Job::Call(call)) => call(self),
            Some(Job::Close) => return false,
            Some(Job::Change(_)) | None => {}
        }
        true
    }

    /// Does the changes in one commit, and answers them.
    fn change(&mut self, changes: Vec<Change>) {
        let done = self.commit(|transaction| {
            let done = changes.iter().map(|change| change.run(transaction));
            done.collect::<Result<Vec<_>, SqliteError>>()
        });
        match done.map_err(Error::from) {
            Ok(done) => {
                self.metrics
                    .committed(changes.iter().map(Change::operations).sum());
                for (change, done) in changes.into_iter().zip(done) {
                    change.answer(done);
                }
            }
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                for change in changes {
                    self.change_apart(change);
                }
            }
            Err(error) => {
                for change in changes {
                    change.fail(error.clone());
                }
            }
        }
    }

    /// Does a change with a commit for each write: what is too large for the rest of the disk must not keep out what is
    /// not, such as deletes.
    fn change_apart(&mut self, change: Change) {
        match change {
            Change::Write { writes, reply } => {
                let write = |write| self.write_apart(write);
                reply.send(Ok(writes.iter().map(write).collect()));
            }
            Change::Transact { operations, reply } => {
                reply.send(self.commit_alone(|transaction| transaction.transact(&operations)));
            }
        }
    }

    /// A delete has a change to tell, and with the disk full the changes before it make room for that.
    fn write_apart(&mut self, write: &Write) -> Result<WriteOutcome> {
        let done = self.commit_alone(|transaction| transaction.write(write));
        match done {
            Err(error)
                if error.kind() == ErrorKind::StorageFull
                    && write.action == WriteAction::Delete
                    && self.clear_feed() =>
            {
                self.commit_alone(|transaction| transaction.write(write))
            }
            done => done,
        }
    }

    /// Whether that makes room.
    fn clear_feed(&mut self) -> bool {
        match self.with_feed(|feed, transaction| feed.clear(transaction.connection)) {
            Ok(0) => false,
            Ok(commits) => {
                tracing::warn!(
                    commits,
                    "the disk is full: changes were removed before their time"
                );
                true
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot make room");
                false
            }
        }
    }

    fn commit_alone<T>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<Result<T>, SqliteError>,
    ) -> Result<T> {
        self.commit(work).map_err(Error::from).flatten()
    }

    /// Does something in an SQL transaction. BEGIN and COMMIT are plain statements, because SQLite ends the transaction
    /// by itself after some errors, which diesel's transactions take for a broken connection.
    fn commit<T>(
        &mut self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, SqliteError>,
    ) -> Result<T, SqliteError> {
        let mut transaction = Transaction {
            now: self.clock.now(),
            connection: &mut self.connection,
            limits: &self.limits,
            gained: 0,
            records: Vec::new(),
        };
        let done = transaction
            .connection
            .batch_execute("BEGIN IMMEDIATE")
            .map_err(SqliteError::from)
            .and_then(|()| work(&mut transaction));
        let (gained, now) = (transaction.gained, transaction.now);
        let records = std::mem::take(&mut transaction.records);
        let told = self.feed.as_mut().filter(|_| !records.is_empty());
        let done = done.and_then(|done| {
            if let Some(feed) = &told {
                feed.add(&mut self.connection, now, &records)?;
            }
            Ok(done)
        });
        let committed = done.and_then(|done| {
            self.connection
                .batch_execute("COMMIT")
                .map_err(SqliteError::Commit)?;
            Ok(done)
        });
        match committed {
            Ok(_) => {
                self.values += gained;
                if let Some(feed) = told {
                    feed.committed();
                }
            }
            // Fails where SQLite has done it already.
            Err(_) => drop(self.connection.batch_execute("ROLLBACK")),
        }
        committed
    }

    /// Counts the live entries.
    pub(super) fn stats(&mut self) -> Result<Stats, SqliteError> {
        let now = self.clock.now();
        let expired = count_expired(&mut self.connection, now)?;
        let items = u64::try_from(self.values - expired).unwrap_or(0);
        Ok(Stats::new(items, now))
    }

    /// Writes something, to see that it can be done.
    pub(super) fn probe(&mut self) -> Result<(), SqliteError> {
        self.commit(|transaction| Ok(probe(transaction.connection, transaction.now)?))
    }

    /// One step of a sweep.
    pub(super) fn sweep(&mut self) -> Result<Swept, SqliteError> {
        let retention = self.tombstone_retention;
        self.commit(|transaction| {
            let (now, limit) = (transaction.now, SWEEP_ROWS as i64);
            let kept_since = now.saturating_sub(retention);
            let removed = remove_tombstones(transaction.connection, kept_since, limit)?;
            let expired = bury_some(transaction)?;
            Ok(Swept {
                expired: expired as u64,
                removed: removed as u64,
                compacted: 0,
            })
        })
        .and_then(|mut swept| {
            swept.compacted = self.compact()?;
            Ok(swept)
        })
    }

    /// Removes some of the feed that is too old.
    fn compact(&mut self) -> Result<u64, SqliteError> {
        let limit = SWEEP_ROWS as i64;
        let compacted = self.with_feed(|feed, transaction| {
            feed.compact(transaction.connection, transaction.now, limit)
        });
        Ok(compacted? as u64)
    }

    /// Removes something from the feed, if it is kept; how much.
    fn with_feed(
        &mut self,
        remove: impl FnOnce(&Feed, &mut Transaction<'_>) -> diesel::QueryResult<usize>,
    ) -> Result<usize, SqliteError> {
        let Some(feed) = self.feed.take() else {
            return Ok(0);
        };
        let removed = self.commit(|transaction| Ok(remove(&feed, transaction)?));
        self.feed = Some(feed);
        removed
    }

    /// Turns some expired entries into tombstones; whether there may be more.
    pub(super) fn bury(&mut self) -> Result<bool, SqliteError> {
        let expired = self.commit(bury_some)?;
        Ok(expired >= SWEEP_ROWS)
    }

    /// One step of a sweep; whether there is more to do now.
    fn sweep_a_little(&mut self) -> bool {
        match self.sweep() {
            Ok(swept) => {
                if swept != Swept::default() {
                    tracing::debug!(swept.expired, swept.removed, swept.compacted, "swept");
                    self.bound_wal();
                }
                swept.has_more()
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "cannot sweep");
                false
            }
        }
    }

    /// Empties the write-ahead log if the checkpoints of the commits do not, because some reader was always in the way.
    fn bound_wal(&mut self) {
        let Some(wal) = &mut self.wal else {
            return;
        };
        let length = |wal: &Wal| std::fs::metadata(&wal.path).map_or(0, |file| file.len());
        if length(wal) <= wal.limit {
            return;
        }
        let emptied = self
            .connection
            .batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(error) = emptied {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot empty the write-ahead log"
            );
        }
        // A reader that stays, such as another program, must not hold up every commit from now on.
        let rest = length(wal);
        wal.limit = if rest > MAX_WAL_BYTES {
            rest + MAX_WAL_BYTES
        } else {
            MAX_WAL_BYTES
        };
    }

    fn close(mut self) {
        let emptied = self
            .connection
            .batch_execute("PRAGMA wal_checkpoint(TRUNCATE)");
        if let Err(error) = emptied {
            // Nothing is lost: the next one to open the database reads the log.
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "cannot empty the write-ahead log"
            );
        }
    }
}

fn bury_some(transaction: &mut Transaction<'_>) -> Result<usize, SqliteError> {
    let buried = bury_expired(transaction.connection, transaction.now, SWEEP_ROWS as i64)?;
    transaction.gained -= buried.len() as i64;
    for Buried { key, version } in &buried {
        let key = Key::new(key.as_str()).map_err(|error| corrupt("key").with_source(error))?;
        let version = to_version(*version)?;
        transaction.records.push((key, version, ChangeKind::Expire));
    }
    Ok(buried.len())
}

impl Swept {
    /// Whether a step stopped at its limit.
    pub(super) fn has_more(&self) -> bool {
        self.expired.max(self.removed).max(self.compacted) >= SWEEP_ROWS as u64
    }
}

impl Change {
    fn operations(&self) -> usize {
        match self {
            Self::Write { writes, .. } => writes.len(),
            Self::Transact { operations, .. } => operations.len(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Write { writes, .. } => writes.iter().map(|write| write.size()).sum(),
            Self::Transact { operations, .. } => operations.iter().map(|one| one.size()).sum(),
        }
    }

    fn run(&self, transaction: &mut Transaction<'_>) -> Result<Done, SqliteError> {
        match self {
            Self::Write { writes, .. } => {
                let done = writes.iter().map(|write| transaction.write(write));
                done.collect::<Result<_, _>>().map(Done::Write)
            }
            Self::Transact { operations, .. } => {
                transaction.transact(operations).map(Done::Transact)
            }
        }
    }

    fn answer(self, done: Done) {
        match (self, done) {
            (Self::Write { reply, .. }, Done::Write(done)) => reply.send(Ok(done)),
            (Self::Transact { reply, .. }, Done::Transact(done)) => reply.send(done),
            (change, _) => change.fail(Error::new(
                ErrorKind::Internal,
                "the database mixed up its answers",
            )),
        }
    }

    fn fail(self, error: Error) {
        match self {
            Self::Write { reply, .. } => reply.send(Err(error)),
            Self::Transact { reply, .. } => reply.send(Err(error)),
        }
    }
}
