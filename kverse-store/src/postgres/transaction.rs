//! Writes that depend on what they replace: their rows are locked, the outcome is found out here, and what changed is
//! stored with one statement.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use diesel_async::{AnsiTransactionManager, RunQueryDsl, TransactionManager};
use kverse_core::row::{self, Applied, Row};
use kverse_core::{
    Key, Limits, Operation, OperationOutcome, Result, Timestamp, Write, WriteAction, WriteId,
    WriteOutcome,
};

use super::error::PostgresError;
use super::pool::{Connections, Lease};
use super::rows::{StoredRow, to_i64, to_row, to_timestamp};
use super::statements::{Columns, Load, Lock, Replace, Told, Unlock};

/// The rows that a transaction touches, changed aside. Everything in it happens at the same `now`.
pub(super) struct Rows<'a> {
    rows: BTreeMap<&'a str, Touched>,
    /// Every change, in the order of the writes.
    told: Told<'a>,
    /// Whether something was found to be done before.
    is_replay: bool,
    limits: &'a Limits,
    now: Timestamp,
}

/// A row that a transaction touches.
#[derive(Default)]
struct Touched {
    stored: Option<Row>,
    changed: Option<Row>,
}

impl Touched {
    fn row(&self) -> Option<&Row> {
        self.changed.as_ref().or(self.stored.as_ref())
    }
}

impl<'a> Rows<'a> {
    /// Does one write.
    pub(super) fn write(&mut self, write: &'a Write) -> Result<WriteOutcome> {
        self.limits.check_write(write)?;
        let touched = self.rows.entry(write.key.as_str()).or_default();
        let applied = row::apply(touched.row(), write, self.now)?;
        let outcome = applied.outcome();
        self.is_replay |= outcome.replayed;
        if let Applied::Changed(row, _) = applied {
            self.told.push(write.key.as_str(), &row);
            touched.changed = Some(row);
        }
        Ok(outcome)
    }

    /// Does all operations, or fails with the error of one.
    pub(super) fn transact(
        &mut self,
        operations: &'a [Operation],
    ) -> Result<Vec<OperationOutcome>> {
        let stored = |key: &Key| self.rows.get(key.as_str())?.stored.as_ref();
        if let Some(done) = row::replay(operations, stored, self.now, self.limits) {
            self.is_replay = true;
            return done;
        }
        let mut budget = self.limits.read_budget();
        let mut operate = |operation| {
            let outcome = self.operate(operation)?;
            if let OperationOutcome::Get(entry) = &outcome {
                budget.spend(entry.as_ref())?;
            }
            Ok(outcome)
        };
        let numbered = operations.iter().enumerate();
        numbered
            .map(|(index, operation)| {
                operate(operation).map_err(|error: kverse_core::Error| error.in_transaction(index))
            })
            .collect()
    }

    fn operate(&mut self, operation: &'a Operation) -> Result<OperationOutcome> {
        match operation {
            Operation::Get { key, precondition } => {
                let row = self.rows.entry(key.as_str()).or_default().row();
                row::check(*precondition, row, self.now)?;
                Ok(OperationOutcome::Get(
                    row.and_then(|row| row.entry(self.now)),
                ))
            }
            Operation::Write(write) => self.write(write).map(OperationOutcome::Write),
        }
    }

    fn changed(&self) -> impl Iterator<Item = (&'a str, &Row)> {
        self.rows
            .iter()
            .filter_map(|(key, touched)| Some((*key, touched.changed.as_ref()?)))
    }
}

/// The keys that a transaction touches, and those of them whose values it needs.
#[derive(Default)]
pub(super) struct Keys<'a> {
    all: BTreeSet<&'a str>,
    read: BTreeSet<&'a str>,
}

impl<'a> Keys<'a> {
    pub(super) fn of_writes(writes: &[&'a Write]) -> Self {
        Self {
            all: writes.iter().map(|write| write.key.as_str()).collect(),
            read: writes
                .iter()
                .filter(|write| keeps_value(write))
                .map(|write| write.key.as_str())
                .collect(),
        }
    }

    pub(super) fn of_operations(operations: &'a [Operation]) -> Self {
        let key = |operation: &'a Operation| operation.key().as_str();
        let needs_value = |operation: &&Operation| match operation {
            Operation::Get { .. } => true,
            Operation::Write(write) => keeps_value(write),
        };
        Self {
            all: operations.iter().map(key).collect(),
            read: operations.iter().filter(needs_value).map(key).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

/// Whether what the write stores has the value of the row that it replaces.
fn keeps_value(write: &Write) -> bool {
    matches!(write.action, WriteAction::Touch { .. })
}

/// How an attempt at a transaction ended, if it did not fail.
pub(super) enum Attempt<'a, T> {
    /// It was done, or this error shows that it could not be; then nothing was stored.
    Done(Result<T>),
    /// It may have been committed: then the last writes of these keys are these, unless others wrote since.
    Unknown(T, Vec<(&'a str, WriteId)>, PostgresError),
}

/// Does a transaction: `evaluate` finds out its outcome and what changes, or why nothing does.
///
/// # Errors
/// Nothing was stored.
pub(super) async fn attempt<'a, T>(
    connections: &Connections,
    connection: &mut Lease,
    keys: &Keys<'a>,
    limits: &'a Limits,
    feed: bool,
    deadline: Instant,
    evaluate: impl Fn(&mut Rows<'a>) -> Result<T>,
) -> Result<Attempt<'a, T>, PostgresError> {
    let all: Vec<&str> = keys.all.iter().copied().collect();
    let read: Vec<&str> = keys.read.iter().copied().collect();
    let begin = AnsiTransactionManager::begin_transaction(&mut **connection);
    connections.answer(begin).await?;
    let lock = Lock::new(&all).load::<String>(connection);
    let made = connections.answer(lock).await?;
    let asked = Instant::now();
    let load = Load::new(&all, &read).load::<StoredRow>(connection);
    let stored = connections.answer(load).await?;

    let now = stored.last().map_or(0, |row| row.7);
    connections.clock().observe(now, asked);
    let mut rows = Rows {
        rows: to_rows(&keys.all, stored)?,
        told: Told::default(),
        is_replay: false,
        limits,
        now: to_timestamp(now)?,
    };
    let evaluated = evaluate(&mut rows);
    let changed: Vec<_> = rows.changed().collect();
    let done = match evaluated {
        Ok(done) if !changed.is_empty() => done,
        done => {
            let rollback = AnsiTransactionManager::rollback_transaction(&mut **connection);
            connections.answer(rollback).await?;
            if rows.is_replay {
                // Whoever did it before may not have been told, because it is not durable yet.
                let confirmed = connections.confirm(connection).await;
                confirmed.map_err(|error| PostgresError::Unknown(Box::new(error)))?;
            }
            return Ok(Attempt::Done(done));
        }
    };

    let mut columns = Columns::default();
    for (key, row) in &changed {
        let value = row.value.as_deref();
        columns.push(
            key,
            value,
            row.content_type.as_ref(),
            row.expires_at,
            &row.write_id,
        );
    }
    let stayed_empty: Vec<&str> = made
        .iter()
        .map(String::as_str)
        .filter(|key| columns.keys.binary_search(key).is_err())
        .collect();
    if !stayed_empty.is_empty() {
        let unlock = Unlock::new(&stayed_empty).execute(connection);
        connections.answer(unlock).await?;
    }
    let versions = changed.iter().map(|(_, row)| to_i64(row.version.get()));
    let existed = changed.iter().map(|(_, row)| row.existed);
    // Last: what comes after the look at the fence may take its time.
    let fence = connections.clock().at(deadline);
    let (versions, existed) = (versions.collect(), existed.collect());
    let replace = Replace::new(&columns, versions, existed, fence, &rows.told, feed);
    let replaced = replace.get_result::<i64>(connection);
    let replaced = connections.answer(replaced).await?;
    if replaced < changed.len() as i64 {
        return Err(PostgresError::Fenced);
    }
    let commit =
        async |connection: &mut _| AnsiTransactionManager::commit_transaction(connection).await;
    match connections.commit(connection, commit).await {
        Ok(()) => Ok(Attempt::Done(Ok(done))),
        Err(error) if error.is_collision() => Err(error),
        Err(error) => {
            let written = changed.iter().map(|(key, row)| (*key, row.write_id));
            Ok(Attempt::Unknown(done, written.collect(), error))
        }
    }
}

fn to_rows<'a>(
    keys: &BTreeSet<&'a str>,
    stored: Vec<StoredRow>,
) -> Result<BTreeMap<&'a str, Touched>> {
    let mut rows = BTreeMap::new();
    for row in stored {
        // A key that was not asked for does not come.
        if let Some(key) = keys.get(row.0.as_str()) {
            let touched = Touched {
                stored: to_row(row)?,
                changed: None,
            };
            rows.insert(*key, touched);
        }
    }
    Ok(rows)
}
