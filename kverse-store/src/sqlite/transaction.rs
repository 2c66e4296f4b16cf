//! Writes and transactions, inside an SQL transaction that may hold several of them.

use std::collections::HashMap;

use diesel::sqlite::SqliteConnection;
use kverse_core::row::{self, Applied, Row};
use kverse_core::{
    ChangeKind, Expiry, Key, Limits, Operation, OperationOutcome, Precondition, ReadBudget, Result,
    Timestamp, Version, Write, WriteAction, WriteOutcome,
};

use super::error::SqliteError;
use super::rows::{Replaced, to_i64, to_version};
use super::statements::{Put, content_type_text, load_row, store_row};
use crate::feed::Record;

/// An open SQL transaction. Everything in it happens at the same `now`.
pub(super) struct Transaction<'a> {
    pub(super) connection: &'a mut SqliteConnection,
    pub(super) limits: &'a Limits,
    pub(super) now: Timestamp,
    /// How many more rows hold a value than before.
    pub(super) gained: i64,
    /// What the feed is told.
    pub(super) records: Vec<Record>,
}

impl Transaction<'_> {
    /// Does one write. The inner error is the caller's; the outer one spoils the SQL transaction.
    pub(super) fn write(&mut self, write: &Write) -> Result<Result<WriteOutcome>, SqliteError> {
        if let Err(error) = self.limits.check_write(write) {
            return Ok(Err(error));
        }
        if let Some(outcome) = self.put(write)? {
            return Ok(Ok(outcome));
        }
        let previous = load_row(self.connection, &write.key)?;
        match row::apply(previous.as_ref(), write, self.now) {
            Ok(Applied::Unchanged(outcome)) => Ok(Ok(outcome)),
            Ok(Applied::Changed(row, outcome)) => {
                self.records
                    .push((write.key.clone(), row.version, row.change_kind()));
                self.store(&write.key, previous.as_ref(), &row)?;
                Ok(Ok(outcome))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// The fast path: a put that does not depend on what it replaces. `None`: take the other one.
    fn put(&mut self, write: &Write) -> Result<Option<WriteOutcome>, SqliteError> {
        let WriteAction::Put {
            value,
            content_type,
            expiry,
        } = &write.action
        else {
            return Ok(None);
        };
        if write.precondition != Precondition::None || *expiry == Expiry::Keep {
            return Ok(None);
        }
        let expires_at = expiry.resolve(self.now, None);
        let put = Put {
            key: write.key.as_str(),
            value,
            content_type: content_type_text(content_type),
            version: to_i64(Version::NONE.next(self.now).get()),
            expires_at: expires_at.map(|at| to_i64(at.as_micros())),
            write_id: write.write_id.as_bytes(),
            now: to_i64(self.now.as_micros()),
        };
        let Some((version, existed)) = put.run(self.connection)? else {
            return Ok(None);
        };
        if existed == Replaced::Nothing as i32 {
            self.gained += 1;
        }
        let version = to_version(version)?;
        self.records
            .push((write.key.clone(), version, ChangeKind::Put));
        Ok(Some(WriteOutcome::new(
            version,
            existed == Replaced::Entry as i32,
            expires_at,
        )))
    }

    fn store(&mut self, key: &Key, previous: Option<&Row>, row: &Row) -> Result<(), SqliteError> {
        store_row(self.connection, key, previous, row)?;
        let had_value = previous.is_some_and(|row| row.value.is_some());
        self.gained += i64::from(row.value.is_some()) - i64::from(had_value);
        Ok(())
    }

    /// Does all operations or none. The inner error is the caller's; the outer one spoils the SQL transaction.
    pub(super) fn transact(
        &mut self,
        operations: &[Operation],
    ) -> Result<Result<Vec<OperationOutcome>>, SqliteError> {
        let mut rows = HashMap::with_capacity(operations.len());
        let mut outcomes = Vec::with_capacity(operations.len());
        let mut budget = self.limits.read_budget();
        for operation in operations {
            let key = operation.key();
            if !rows.contains_key(key) {
                rows.insert(key, Touched::new(load_row(self.connection, key)?));
            }
        }
        let stored = |key: &Key| rows.get(key)?.stored.as_ref();
        if let Some(done) = row::replay(operations, stored, self.now, self.limits) {
            return Ok(done);
        }
        let mut records = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            let Some(touched) = rows.get_mut(operation.key()) else {
                continue;
            };
            match self.operate(operation, touched, &mut budget, &mut records) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return Ok(Err(error.in_transaction(index))),
            }
        }
        // All of it can be done. Until here nothing was stored.
        self.records.append(&mut records);
        for (key, touched) in rows {
            if let Some(row) = touched.changed {
                self.store(key, touched.stored.as_ref(), &row)?;
            }
        }
        Ok(Ok(outcomes))
    }

    fn operate(
        &self,
        operation: &Operation,
        touched: &mut Touched,
        budget: &mut ReadBudget,
        records: &mut Vec<Record>,
    ) -> Result<OperationOutcome> {
        let row = touched.row();
        match operation {
            Operation::Get { precondition, .. } => {
                row::check(*precondition, row, self.now)?;
                let entry = row.and_then(|row| row.entry(self.now));
                budget.spend(entry.as_ref())?;
                Ok(OperationOutcome::Get(entry))
            }
            Operation::Write(write) => {
                self.limits.check_write(write)?;
                let applied = row::apply(row, write, self.now)?;
                let outcome = applied.outcome();
                if let Applied::Changed(row, _) = applied {
                    records.push((write.key.clone(), row.version, row.change_kind()));
                    touched.changed = Some(row);
                }
                Ok(OperationOutcome::Write(outcome))
            }
        }
    }
}

/// A row that a transaction touches, changed aside.
struct Touched {
    stored: Option<Row>,
    changed: Option<Row>,
}

impl Touched {
    fn new(stored: Option<Row>) -> Self {
        Self {
            stored,
            changed: None,
        }
    }

    fn row(&self) -> Option<&Row> {
        self.changed.as_ref().or(self.stored.as_ref())
    }
}
