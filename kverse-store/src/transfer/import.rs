//! Lines to entries.

use std::str::FromStr;
use std::time::Instant;

use kverse_core::{
    Clock, Error, ErrorKind, Expiry, KvStore, Limits, Prefix, Result, SystemClock, Timestamp,
    Write, WriteAction,
};

use super::batch::{Batch, Failed};
use super::lines::{Line, Lines};
use crate::wire::{EntryLine, ImportError, ImportReport};

/// What an import does with a line whose key exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(rename_all = "lowercase")
)]
pub enum OnConflict {
    /// Replaces the entry. Of several lines with the same key, the last one counts.
    #[default]
    Overwrite,
    /// Leaves the entry as it is, counts the line, and goes on. Of several lines with the same key, the first one counts.
    Skip,
    /// Ends the import at this line.
    Fail,
}

impl FromStr for OnConflict {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "overwrite" => Ok(Self::Overwrite),
            "skip" => Ok(Self::Skip),
            "fail" => Ok(Self::Fail),
            _ => Err(Error::invalid_input(format!(
                "`{text}` is no way to resolve a conflict: expected overwrite, skip or fail"
            ))),
        }
    }
}

/// The longest line of an import, with its line break, in bytes: six times the longest key and value, for JSON may escape
/// every character as `\u0000`, and 4096.
pub fn max_line_bytes(limits: &Limits) -> usize {
    const EXPANSION: usize = 6;
    const OVERHEAD: usize = 4096;
    limits
        .max_key_bytes
        .saturating_add(limits.max_value_bytes)
        .saturating_mul(EXPANSION)
        .saturating_add(OVERHEAD)
}

/// An import under way: takes lines as an [`Export`](super::Export) gives them, in pieces of any size, and writes their
/// entries in batches, in their order.
///
/// A line is one JSON object, an [`EntryLine`]. Lines may end with CR LF, the last one needs no line break, empty lines are
/// skipped, and a byte order mark may stand before the first. An entry that has ended by the store's clock is counted, not
/// stored. Versions are new.
///
/// The first line that cannot be stored ends the import: all lines before it are stored, none after it is, and the report
/// names it. Holds one line ([`max_line_bytes`]) and one batch (4 MiB, or one value) at a time.
#[derive(Debug)]
pub struct Import {
    limits: Limits,
    on_conflict: OnConflict,
    prefix: Prefix,
    lines: Lines,
    /// How many lines were whole.
    count: u64,
    batch: Batch,
    /// What the store's clock showed, and when; asked for when a line has an end.
    clock: Option<(Timestamp, Instant)>,
    report: ImportReport,
    failure: Option<Error>,
}

impl Import {
    /// An import into a store with these limits.
    pub fn new(limits: Limits, on_conflict: OnConflict) -> Self {
        Self {
            limits,
            on_conflict,
            prefix: Prefix::default(),
            lines: Lines::default(),
            count: 0,
            batch: Batch::default(),
            clock: None,
            report: ImportReport::default(),
            failure: None,
        }
    }

    /// The same, which refuses keys that do not begin with this.
    #[must_use]
    pub fn with_prefix(mut self, prefix: Prefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// What was done up to now. Lines that wait for their batch are not counted yet.
    pub fn report(&self) -> &ImportReport {
        &self.report
    }

    /// How many lines wait for their batch, or were being written when a future of [`push`](Self::push) was dropped: of those
    /// nobody knows whether they are stored.
    pub fn pending(&self) -> u64 {
        self.batch.pending()
    }

    /// Takes the next piece, and stores batches that are full.
    ///
    /// # Errors
    /// Why a line cannot be stored, with its number in the message: `InvalidInput` for a malformed one, `TooLarge` for one, or
    /// a value, over a limit, `Conflict` for an existing key; and those of [`KvStore::write`]. The lines before it are
    /// stored. Later calls fail in the same way and do nothing.
    pub async fn push(&mut self, store: &dyn KvStore, piece: &[u8]) -> Result<()> {
        self.check()?;
        let mut rest = piece;
        while let Some(line) = self.lines.next(&mut rest) {
            self.line(store, &line).await?;
        }
        let length = self.lines.kept();
        if length > max_line_bytes(&self.limits) {
            self.count += 1;
            let error = self.too_long(length);
            return self.refuse(store, error).await;
        }
        Ok(())
    }

    /// Stores what waits for its batch. A line that is not whole yet is kept.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub async fn flush(&mut self, store: &dyn KvStore) -> Result<()> {
        self.check()?;
        let written = self.batch.write(store, self.on_conflict, &mut self.report);
        match written.await {
            Ok(()) => Ok(()),
            Err(failed) => Err(self.fail(failed)),
        }
    }

    /// Stores the last line, even if it has no line break, and what waits for its batch.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub async fn finish(&mut self, store: &dyn KvStore) -> Result<()> {
        self.check()?;
        let last = self.lines.last();
        if !last.is_empty() {
            self.line(store, &Line::Owned(last)).await?;
        }
        self.flush(store).await
    }

    fn check(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    async fn line(&mut self, store: &dyn KvStore, line: &[u8]) -> Result<()> {
        const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
        self.count += 1;
        let line = match line.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if self.count == 1 => rest,
            _ => line,
        };
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let write = match self.parse(line) {
            Ok(write) => write,
            Err(error) => return self.refuse(store, error).await,
        };
        if let Some(end) = end(&write)
            && end <= self.now(store).await
        {
            self.report.expired += 1;
            return Ok(());
        }
        if !self.batch.has_room(&write, &self.limits) {
            self.flush(store).await?;
        }
        self.batch.push(self.count, write);
        Ok(())
    }

    fn parse(&self, line: &[u8]) -> Result<Write> {
        if line.len() > max_line_bytes(&self.limits) {
            return Err(self.too_long(line.len()));
        }
        let write = EntryLine::parse(line)?.into_write()?;
        self.limits.check_write(&write)?;
        if !self.prefix.matches(&write.key) {
            let (key, prefix) = (&write.key, self.prefix.as_str());
            let message = format!("the key {key:?} does not begin with {prefix:?}");
            return Err(Error::invalid_input(message));
        }
        Ok(write)
    }

    /// The time by the store's clock, or some time before: by that of this machine, which may be wrong, entries could be left
    /// out that have not ended. It serves only where the store does not tell, for example because it is not allowed to.
    async fn now(&mut self, store: &dyn KvStore) -> Timestamp {
        let (then, asked) = match self.clock {
            Some(clock) => clock,
            None => {
                let asked = Instant::now();
                let stats = store.stats().await;
                let now = stats.map_or_else(|_| SystemClock.now(), |stats| stats.as_of);
                *self.clock.insert((now, asked))
            }
        };
        then.saturating_add(asked.elapsed())
    }

    fn too_long(&self, length: usize) -> Error {
        let limit = max_line_bytes(&self.limits);
        let message = format!("it has {length} bytes or more, the limit is {limit}");
        Error::new(ErrorKind::TooLarge, message).with_limit(limit as u64, length as u64)
    }

    /// Ends the import at the present line, after those before it.
    async fn refuse(&mut self, store: &dyn KvStore, error: Error) -> Result<()> {
        self.flush(store).await?;
        Err(self.fail(Failed {
            line: self.count,
            unknown: 0,
            error,
        }))
    }

    fn fail(&mut self, failed: Failed) -> Error {
        let Failed {
            line,
            unknown,
            error,
        } = failed;
        self.report.error = Some(ImportError {
            line,
            unknown,
            code: error.kind().code().to_owned(),
            detail: error.message().to_owned(),
        });
        let error = error.with_context(&format!("line {line}"));
        self.failure = Some(error.clone());
        error
    }
}

/// When the entry ends.
fn end(write: &Write) -> Option<Timestamp> {
    match &write.action {
        WriteAction::Put {
            expiry: Expiry::At(at),
            ..
        } => Some(*at),
        _ => None,
    }
}
