//! A store in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::row::{self, Applied, Row};
use crate::{
    CacheStatus, Capabilities, Clock, ComponentHealth, Error, ErrorKind, Key, KvStore, Limits,
    Operation, OperationOutcome, Page, ReadOutcome, Result, ScanEntry, ScanOptions, Stats,
    SystemClock, Timestamp, Write, WriteOutcome,
};

type Rows = BTreeMap<Key, Row>;

/// A store in memory: a sorted map behind one lock. Nothing survives the process. Memory grows with what is stored; there
/// is no eviction. Expired entries and old tombstones are removed when writes come by.
#[derive(Debug)]
pub struct MemoryStore {
    rows: Mutex<Swept>,
    clock: Arc<dyn Clock>,
    limits: Limits,
}

#[derive(Debug)]
struct Swept {
    rows: Rows,
    next_sweep: Timestamp,
}

impl MemoryStore {
    /// How long the tombstone of a deleted key is kept: 24 hours.
    pub const TOMBSTONE_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
    const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

    /// An empty store.
    pub fn new(clock: Arc<dyn Clock>, limits: Limits) -> Self {
        let next_sweep = clock.now().saturating_add(Self::SWEEP_INTERVAL);
        Self {
            rows: Mutex::new(Swept {
                rows: Rows::new(),
                next_sweep,
            }),
            clock,
            limits,
        }
    }

    /// The lock is only held for map operations that leave the map whole, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Swept> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(swept: &mut Swept, now: Timestamp) {
        if now < swept.next_sweep {
            return;
        }
        swept.next_sweep = now.saturating_add(Self::SWEEP_INTERVAL);
        let kept_since = now.saturating_sub(Self::TOMBSTONE_RETENTION).as_micros();
        swept
            .rows
            .retain(|_, row| row.value.is_some() || row.version.get() >= kept_since);
        for row in swept
            .rows
            .values_mut()
            .filter(|row| row.value.is_some() && !row.is_live(now))
        {
            *row = row.tombstone(now);
        }
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

fn write(rows: &mut Rows, write: &Write, now: Timestamp) -> Result<WriteOutcome> {
    let applied = row::apply(rows.get(&write.key), write, now)?;
    let outcome = applied.outcome();
    if let Applied::Changed(row, _) = applied {
        rows.insert(write.key.clone(), row);
    }
    Ok(outcome)
}

#[async_trait]
impl KvStore for MemoryStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.limits.check_batch(keys.len(), 0)?;
        let swept = self.lock();
        let now = self.clock.now();
        let mut budget = self.limits.read_budget();
        let read = |key| {
            let entry = swept.rows.get(key).and_then(|row| row.entry(now));
            budget.spend(entry.as_ref())?;
            Ok(ReadOutcome::new(entry, CacheStatus::Off))
        };
        keys.iter().map(read).collect()
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        self.limits
            .check_batch(writes.len(), writes.iter().map(Write::size).sum())?;
        let mut swept = self.lock();
        let now = self.clock.now();
        Self::sweep(&mut swept, now);
        let mut one = |w: &Write| {
            self.limits
                .check_write(w)
                .and_then(|()| write(&mut swept.rows, w, now))
        };
        Ok(writes.iter().map(&mut one).collect())
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        self.limits.check_batch(
            operations.len(),
            operations.iter().map(Operation::size).sum(),
        )?;
        let mut swept = self.lock();
        let now = self.clock.now();
        // The rows that the transaction touches, changed aside and put back only if all of it can be done.
        let mut touched: Rows = Rows::new();
        for operation in &operations {
            if let Some((key, row)) = swept.rows.get_key_value(operation.key()) {
                touched.insert(key.clone(), row.clone());
            }
        }
        let mut outcomes = Vec::with_capacity(operations.len());
        let mut budget = self.limits.read_budget();
        for (index, operation) in operations.iter().enumerate() {
            let outcome = match operation {
                Operation::Get { key, precondition } => {
                    let row = touched.get(key);
                    row::check(*precondition, row, now).and_then(|()| {
                        let entry = row.and_then(|row| row.entry(now));
                        budget.spend(entry.as_ref())?;
                        Ok(OperationOutcome::Get(entry))
                    })
                }
                Operation::Write(w) => self
                    .limits
                    .check_write(w)
                    .and_then(|()| write(&mut touched, w, now))
                    .map(OperationOutcome::Write),
            };
            outcomes.push(outcome.map_err(|error| error.in_transaction(index))?);
        }
        swept.rows.extend(touched);
        Ok(outcomes)
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        options.check(&self.limits)?;
        let swept = self.lock();
        let now = self.clock.now();
        let start = match &options.start_after {
            Some(key) if key.as_str() >= options.prefix.as_str() => Bound::Excluded(key.as_str()),
            _ => Bound::Included(options.prefix.as_str()),
        };
        let entries = swept
            .rows
            .range::<str, _>((start, Bound::Unbounded))
            .take_while(|(key, _)| options.prefix.matches(key))
            .filter_map(|(key, row)| {
                let value = row.value.as_ref().filter(|_| row.is_live(now))?;
                let mut entry = ScanEntry::new(key.clone(), row.version, value.len() as u64);
                entry.content_type = row.content_type.clone();
                entry.expires_at = row.expires_at;
                entry.value = options.include_values.then(|| value.clone());
                Some(Ok::<_, Infallible>(entry))
            });
        let Ok(page) = Page::collect(&options, entries);
        Ok(page)
    }

    async fn stats(&self) -> Result<Stats> {
        let swept = self.lock();
        let now = self.clock.now();
        let items = swept.rows.values().filter(|row| row.is_live(now)).count();
        Ok(Stats::new(items as u64, now))
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        vec![ComponentHealth::new("memory", Ok(()), Duration::ZERO)]
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.limits)
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
