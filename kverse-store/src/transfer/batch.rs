//! The lines that are written together.

use kverse_core::{Error, ErrorKind, KvStore, Limits, Operation, Precondition, Result, Write};

use super::OnConflict;
use crate::wire::ImportReport;

/// A batch is full once it has this many bytes of keys and values.
const BATCH_BYTES: usize = 4 << 20;

/// Lines that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    writes: Vec<Write>,
    /// The number of the line of each write.
    lines: Vec<u64>,
    bytes: usize,
}

/// A line that could not be stored.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) line: u64,
    /// How many lines, from this one on, may or may not be stored.
    pub(super) unknown: u64,
    pub(super) error: Error,
}

impl Batch {
    pub(super) fn pending(&self) -> u64 {
        self.lines.len() as u64
    }

    /// Whether one more fits in.
    pub(super) fn has_room(&self, write: &Write, limits: &Limits) -> bool {
        let max_bytes = BATCH_BYTES.min(limits.max_batch_bytes);
        self.lines.is_empty()
            || (self.lines.len() < limits.max_batch_operations
                && self.bytes + write.size() <= max_bytes)
    }

    pub(super) fn push(&mut self, line: u64, write: Write) {
        self.bytes += write.size();
        self.lines.push(line);
        self.writes.push(write);
    }

    /// Writes them all and counts what became of them. If the future is dropped they stay [`pending`](Self::pending).
    pub(super) async fn write(
        &mut self,
        store: &dyn KvStore,
        on_conflict: OnConflict,
        report: &mut ImportReport,
    ) -> Result<(), Failed> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let writes = std::mem::take(&mut self.writes);
        if writes.len() != self.lines.len() {
            let message = "an earlier write was interrupted";
            return Err(all_failed(
                &self.lines,
                Error::new(ErrorKind::Timeout, message),
            ));
        }
        let result = match on_conflict {
            OnConflict::Overwrite => each(store, writes, &self.lines, report).await,
            OnConflict::Skip => {
                let absent = |write: Write| write.with_precondition(Precondition::Absent);
                let writes = writes.into_iter().map(absent).collect();
                each(store, writes, &self.lines, report).await
            }
            OnConflict::Fail => until_conflict(store, writes, &self.lines, report).await,
        };
        self.lines.clear();
        self.bytes = 0;
        result
    }
}

/// Does each write on its own. A precondition that does not hold skips its line.
async fn each(
    store: &dyn KvStore,
    writes: Vec<Write>,
    lines: &[u64],
    report: &mut ImportReport,
) -> Result<(), Failed> {
    let outcomes = store.write(writes).await;
    let outcomes = outcomes.map_err(|error| all_failed(lines, error))?;
    let mut first_failed = None;
    for (line, outcome) in lines.iter().zip(outcomes) {
        match outcome {
            Ok(_) => report.imported += 1,
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => report.skipped += 1,
            Err(error) => {
                first_failed.get_or_insert(Failed {
                    line: *line,
                    unknown: u64::from(error.kind() == ErrorKind::Timeout),
                    error,
                });
            }
        }
    }
    first_failed.map_or(Ok(()), Err)
}

/// Does the writes up to the first one whose key exists.
async fn until_conflict(
    store: &dyn KvStore,
    mut writes: Vec<Write>,
    lines: &[u64],
    report: &mut ImportReport,
) -> Result<(), Failed> {
    let mut conflict = Ok(());
    // All or nothing: what comes before a conflict is done by another attempt, which is shorter each time.
    while !writes.is_empty() {
        let operation = |write: &Write| {
            let write = write.clone().with_precondition(Precondition::Absent);
            Operation::Write(write)
        };
        let done = store.transact(writes.iter().map(operation).collect()).await;
        let error = match done {
            Ok(_) => {
                report.imported += writes.len() as u64;
                break;
            }
            Err(error) => error,
        };
        let index = error.operation().filter(|index| *index < writes.len());
        let Some(index) = index.filter(|_| error.kind() == ErrorKind::Conflict) else {
            return Err(all_failed(&lines[..writes.len()], error));
        };
        let message = format!("the key {:?} exists", writes[index].key);
        let exists = Error::new(ErrorKind::Conflict, message);
        conflict = Err(Failed {
            line: lines[index],
            unknown: 0,
            error: exists.with_current_version(error.current_version()),
        });
        writes.truncate(index);
    }
    conflict
}

/// The failure of a whole batch: after a time-out nobody knows what became of its lines.
fn all_failed(lines: &[u64], error: Error) -> Failed {
    Failed {
        line: lines.first().copied().unwrap_or_default(),
        unknown: match error.kind() {
            ErrorKind::Timeout => lines.len() as u64,
            _ => 0,
        },
        error,
    }
}
