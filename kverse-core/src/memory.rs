//! A store in memory.

mod feed;
mod rows;

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use self::feed::Feed;
use self::rows::Rows;
use crate::row::{self, Applied, Row};
use crate::{
    CacheStatus, Capabilities, ChangeKind, ChangePage, ChangesOptions, Clock, ComponentHealth,
    Count, Error, ErrorKind, Key, KeyRange, KvStore, Limits, Operation, OperationOutcome, Page,
    PageBuilder, Prefix, ReadOutcome, Result, ScanEntry, ScanOptions, ScannedRow, Stats,
    SystemClock, Timestamp, Write, WriteOutcome,
};

/// A store in memory: a sorted map behind one lock. Nothing survives the process. Memory grows with what is stored; there
/// is no eviction. Old tombstones are removed when writes come by, and expired entries then or when changes are read. The
/// feed has the last [`CHANGES_KEPT`](Self::CHANGES_KEPT) changes.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

#[derive(Debug)]
struct State {
    rows: Rows,
    feed: Feed,
    next_sweep: Timestamp,
}

impl MemoryStore {
    /// How long the tombstone of a deleted key is kept: 24 hours.
    pub const TOMBSTONE_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
    /// How many changes the feed keeps unless [`with_changes_kept`](Self::with_changes_kept) says otherwise: 65,536.
    pub const CHANGES_KEPT: usize = 1 << 16;
    const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>, limits: Limits) -> Self {
        let next_sweep = clock.now().saturating_add(Self::SWEEP_INTERVAL);
        Self {
            state: Mutex::new(State {
                rows: Rows::default(),
                feed: Feed::new(Self::CHANGES_KEPT),
                next_sweep,
            }),
            clock,
            limits,
        }
    }

    /// The same with a feed of so many changes, which begins anew; 0 switches it off.
    #[must_use]
    pub fn with_changes_kept(self, changes: usize) -> Self {
        self.lock().feed = Feed::new(changes);
        self
    }

    /// The lock is only held for map operations that leave the map whole, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn sweep(&mut self, now: Timestamp) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now.saturating_add(MemoryStore::SWEEP_INTERVAL);
        let kept_since = now.saturating_sub(MemoryStore::TOMBSTONE_RETENTION);
        self.rows.forget(kept_since);
        self.bury_expired(now);
    }

    fn bury_expired(&mut self, now: Timestamp) {
        while let Some((key, version)) = self.rows.bury_one(now) {
            self.feed.record(key, version, ChangeKind::Expire);
        }
    }

    fn write(&mut self, write: &Write, now: Timestamp) -> Result<WriteOutcome> {
        let applied = row::apply(self.rows.get(&write.key), write, now)?;
        let outcome = applied.outcome();
        if let Applied::Changed(row, _) = applied {
            self.feed
                .record(write.key.clone(), row.version, row.change_kind());
            self.rows.insert(write.key.clone(), row);
        }
        Ok(outcome)
    }
}

impl Default for MemoryStore {
    /// An empty store with the machine's clock and the default limits.
    fn default() -> Self {
        Self::new(Arc::new(SystemClock), Limits::default())
    }
}

impl fmt::Display for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory:")
    }
}

fn bounds(range: &KeyRange) -> (Bound<&str>, Bound<&str>) {
    let before = range.before.as_deref();
    let before = before.map_or(Bound::Unbounded, Bound::Excluded);
    (Bound::Included(&range.from), before)
}

#[async_trait]
impl KvStore for MemoryStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.limits.check_batch(keys.len(), 0)?;
        let state = self.lock();
        let now = self.clock.now();
        let mut budget = self.limits.read_budget();
        let read = |key| {
            let entry = state.rows.get(key).and_then(|row| row.entry(now));
            budget.spend(entry.as_ref())?;
            Ok(ReadOutcome::new(entry, CacheStatus::Off))
        };
        keys.iter().map(read).collect()
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        self.limits
            .check_batch(writes.len(), writes.iter().map(Write::size).sum())?;
        let mut state = self.lock();
        let now = self.clock.now();
        state.sweep(now);
        let mut one = |w: &Write| {
            self.limits
                .check_write(w)
                .and_then(|()| state.write(w, now))
        };
        Ok(writes.iter().map(&mut one).collect())
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        self.limits.check_batch(
            operations.len(),
            operations.iter().map(Operation::size).sum(),
        )?;
        let mut state = self.lock();
        let now = self.clock.now();
        let row = |key: &Key| state.rows.get(key);
        if let Some(done) = row::replay(&operations, row, now, &self.limits) {
            return done;
        }
        // The rows that the transaction changes, aside until all of it can be done; and every change of them.
        let mut changed: HashMap<Key, Row> = HashMap::new();
        let mut changes = Vec::new();
        let mut outcomes = Vec::with_capacity(operations.len());
        let mut budget = self.limits.read_budget();
        for (index, operation) in operations.iter().enumerate() {
            let key = operation.key();
            let row = changed.get(key).or_else(|| state.rows.get(key));
            let outcome = match operation {
                Operation::Get { precondition, .. } => row::check(*precondition, row, now)
                    .and_then(|()| {
                        let entry = row.and_then(|row| row.entry(now));
                        budget.spend(entry.as_ref())?;
                        Ok(OperationOutcome::Get(entry))
                    }),
                Operation::Write(w) => self
                    .limits
                    .check_write(w)
                    .and_then(|()| row::apply(row, w, now))
                    .map(|applied| {
                        let outcome = applied.outcome();
                        if let Applied::Changed(row, _) = applied {
                            changes.push((key.clone(), row.version, row.change_kind()));
                            changed.insert(key.clone(), row);
                        }
                        OperationOutcome::Write(outcome)
                    }),
            };
            outcomes.push(outcome.map_err(|error| error.in_transaction(index))?);
        }
        for (key, row) in changed {
            state.rows.insert(key, row);
        }
        for (key, version, kind) in changes {
            state.feed.record(key, version, kind);
        }
        Ok(outcomes)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        options.check(&self.limits)?;
        let state = self.lock();
        let now = self.clock.now();
        let row = |(key, row): (&Key, &Row)| {
            let Some(value) = row.value.as_ref().filter(|_| row.is_live(now)) else {
                return ScannedRow::Gone(key.clone());
            };
            let mut entry = ScanEntry::new(key.clone(), row.version, value.len() as u64);
            entry.content_type = row.content_type.clone();
            entry.expires_at = row.expires_at;
            entry.value = options.include_values.then(|| value.clone());
            ScannedRow::Entry(entry)
        };
        let mut page = PageBuilder::new(&options);
        while let Some(range) = page.rest() {
            let rows = state.rows.by_key().range::<str, _>(bounds(&range)).map(row);
            let Ok(()) = page.fill(rows.map(Ok::<_, Infallible>), usize::MAX);
        }
        Ok(page.finish())
    }

    async fn count(&self, prefix: &Prefix, start_after: Option<&Key>) -> Result<Count> {
        let range = KeyRange::new(prefix, start_after);
        let state = self.lock();
        let now = self.clock.now();
        let mut count = Count::default();
        if !range.is_empty() {
            let rows = state.rows.by_key().range::<str, _>(bounds(&range));
            for (passed, (key, row)) in rows.take(Count::MAX_ROWS).enumerate() {
                count.keys += u64::from(row.is_live(now));
                count.next = (passed + 1 == Count::MAX_ROWS).then(|| key.clone());
            }
        }
        Ok(count)
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        options.check(&self.limits)?;
        let mut state = self.lock();
        if !state.feed.is_on() {
            return Err(Error::no_changes());
        }
        state.bury_expired(self.clock.now());
        state.feed.page(&options)
    }

    async fn stats(&self) -> Result<Stats> {
        let state = self.lock();
        let now = self.clock.now();
        let rows = state.rows.by_key();
        let items = rows.values().filter(|row| row.is_live(now)).count();
        Ok(Stats::new(items as u64, now))
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        vec![ComponentHealth::new("memory", Ok(()), Duration::ZERO)]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.limits).with_changes(self.lock().feed.is_on())
    }
}

impl Error {
    /// The error of an operation as the error of its transaction: a failed precondition is a conflict.
    #[must_use]
    pub fn in_transaction(self, operation: usize) -> Self {
        match self.kind() {
            ErrorKind::PreconditionFailed => self
                .with_kind(ErrorKind::Conflict)
                .with_operation(operation),
            _ => self.with_operation(operation),
        }
    }
}
