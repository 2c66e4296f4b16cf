//! The rules of a write, for backends: from the row before to the row after.

use std::collections::HashMap;

use bytes::Bytes;

use crate::entry::is_expired;
use crate::{
    ChangeKind, ContentType, Entry, Error, Key, Limits, Operation, OperationOutcome, Precondition,
    Result, Timestamp, Version, Write, WriteAction, WriteId, WriteOutcome,
};

/// What a backend keeps of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The version of the last write.
    pub version: Version,
    /// The value; `None` in a tombstone, which a delete leaves behind.
    pub value: Option<Bytes>,
    /// The media type of the value.
    pub content_type: Option<ContentType>,
    /// When the entry ends.
    pub expires_at: Option<Timestamp>,
    /// The id of the last write.
    pub write_id: WriteId,
    /// Whether the key existed before the last write: its first answer, for a retry.
    pub existed: bool,
}

/// What a write makes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The row stays as it is.
    Unchanged(WriteOutcome),
    /// The row is to be stored.
    Changed(Row, WriteOutcome),
}

impl Applied {
    /// The outcome of the write.
    pub fn outcome(&self) -> WriteOutcome {
        match self {
            Self::Unchanged(outcome) | Self::Changed(_, outcome) => *outcome,
        }
    }
}

impl Row {
    /// Whether the row holds an entry at `now`: it is no tombstone and has not expired.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.value.is_some() && !is_expired(self.expires_at, now)
    }

    /// The entry of the row at `now`.
    pub fn entry(&self, now: Timestamp) -> Option<Entry> {
        let value = self.value.as_ref().filter(|_| self.is_live(now))?;
        Some(Entry {
            value: value.clone(),
            content_type: self.content_type.clone(),
            version: self.version,
            expires_at: self.expires_at,
        })
    }

    /// The tombstone that a sweeper puts in the place of an expired row.
    #[must_use]
    pub fn tombstone(&self, now: Timestamp) -> Self {
        Self {
            version: self.version.next(now),
            value: None,
            content_type: None,
            expires_at: None,
            write_id: WriteId::random(),
            existed: true,
        }
    }

    /// What the write that left this row behind did.
    pub fn change_kind(&self) -> ChangeKind {
        match self.value {
            Some(_) => ChangeKind::Put,
            None => ChangeKind::Delete,
        }
    }
}

/// Checks a precondition against the row of the key.
///
/// # Errors
/// `PreconditionFailed`, with the current version.
pub fn check(precondition: Precondition, row: Option<&Row>, now: Timestamp) -> Result<()> {
    let current = row.filter(|row| row.is_live(now)).map(|row| row.version);
    if precondition.holds(current) {
        Ok(())
    } else {
        Err(Error::precondition_failed(current))
    }
}

/// Applies a write at `now` to the row of its key.
///
/// # Errors
/// `PreconditionFailed`, with the current version.
pub fn apply(row: Option<&Row>, write: &Write, now: Timestamp) -> Result<Applied> {
    if let Some(row) = row.filter(|row| row.write_id == write.write_id) {
        let outcome =
            WriteOutcome::new(row.version, row.existed, row.expires_at).with_replayed(true);
        return Ok(Applied::Unchanged(outcome));
    }
    check(write.precondition, row, now)?;
    let previous = row.map_or(Version::NONE, |row| row.version);
    let live = row.filter(|row| row.is_live(now));
    let (version, existed) = (previous.next(now), live.is_some());
    let (value, content_type, expires_at) = match &write.action {
        WriteAction::Put {
            value,
            content_type,
            expiry,
        } => {
            let expires_at = expiry.resolve(now, live.and_then(|row| row.expires_at));
            (Some(value.clone()), content_type.clone(), expires_at)
        }
        WriteAction::Touch { expiry } => match live {
            Some(row) => {
                let expires_at = expiry.resolve(now, row.expires_at);
                (row.value.clone(), row.content_type.clone(), expires_at)
            }
            None => {
                return Ok(Applied::Unchanged(WriteOutcome::new(previous, false, None)));
            }
        },
        WriteAction::Delete if !existed => {
            return Ok(Applied::Unchanged(WriteOutcome::new(previous, false, None)));
        }
        WriteAction::Delete => (None, None, None),
    };
    let row = Row {
        version,
        value,
        content_type,
        expires_at,
        write_id: write.write_id,
        existed,
    };
    Ok(Applied::Changed(
        row,
        WriteOutcome::new(version, existed, expires_at),
    ))
}

/// The outcomes of a transaction that was done before, which must not be done again: at least one of its writes is still
/// the last of its key, and the other keys were written since. `None` if it has to be done. `row` has the rows as they are
/// before the transaction.
///
/// # Errors
/// `TooLarge` for more bytes than a read may find.
pub fn replay<'a>(
    operations: &[Operation],
    row: impl Fn(&Key) -> Option<&'a Row>,
    now: Timestamp,
    limits: &Limits,
) -> Option<Result<Vec<OperationOutcome>>> {
    let writes = || {
        operations.iter().filter_map(|operation| match operation {
            Operation::Write(write) => Some(write),
            Operation::Get { .. } => None,
        })
    };
    let last = |write: &Write| row(&write.key).filter(|row| row.write_id == write.write_id);
    let own: HashMap<&Key, Version> = writes()
        .filter_map(|write| Some((&write.key, last(write)?.version)))
        .collect();
    let done_at = *own.values().min()?;
    // Somebody who uses an id for two transactions must not lose a write that was never done.
    let could_be_done = writes().all(|write| match (row(&write.key), &write.action) {
        _ if own.contains_key(&write.key) => true,
        (Some(row), _) if row.version > done_at => true,
        // Where there was nothing, these leave no trace.
        (row, WriteAction::Touch { .. } | WriteAction::Delete) => {
            !row.is_some_and(|row| row.is_live(now))
        }
        (_, WriteAction::Put { .. }) => false,
    });
    let mut budget = limits.read_budget();
    let outcome = |operation: &Operation| match operation {
        // Its condition held then. What it found is gone, so this is what there is now.
        Operation::Get { key, .. } => {
            let entry = row(key).and_then(|row| row.entry(now));
            budget.spend(entry.as_ref())?;
            Ok(OperationOutcome::Get(entry))
        }
        Operation::Write(write) => {
            let outcome = match last(write) {
                Some(row) => WriteOutcome::new(row.version, row.existed, row.expires_at),
                None => {
                    let live = row(&write.key).is_some_and(|row| row.is_live(now));
                    let existed = live && write.precondition != Precondition::Absent;
                    WriteOutcome::new(Version::NONE, existed, None)
                }
            };
            Ok(OperationOutcome::Write(outcome.with_replayed(true)))
        }
    };
    could_be_done.then(|| operations.iter().map(outcome).collect())
}
