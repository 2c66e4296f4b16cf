//! What a store has to answer, by the contract: the oracle of the model.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::{
    ContentType, Delimiter, Entry, Error, ErrorKind, Expiry, Key, Operation, OperationOutcome,
    Precondition, ScanEntry, ScanOptions, Timestamp, Version, Write, WriteAction, WriteId,
    WriteOutcome,
};

/// Every key that was ever written.
#[derive(Clone, Debug, Default)]
pub(super) struct Reference(BTreeMap<Key, History>);

/// The versions of a key, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Versions(Vec<Version>);

impl Versions {
    /// The version of so many writes ago; that of no write, if there were not as many.
    pub(super) fn nth(&self, back: usize) -> Version {
        self.0
            .iter()
            .rev()
            .nth(back)
            .copied()
            .unwrap_or(Version::NONE)
    }

    fn last(&self) -> Version {
        self.nth(0)
    }
}

#[derive(Clone, Debug, Default)]
struct History {
    versions: Versions,
    /// What the last put stored, though it may have ended; `None` after a delete.
    stored: Option<Stored>,
    /// The last write that was done, with its outcome.
    last: Option<(WriteId, WriteOutcome)>,
}

#[derive(Clone, Debug)]
struct Stored {
    value: Bytes,
    content_type: Option<ContentType>,
    expires_at: Option<Timestamp>,
}

impl History {
    /// What exists at `now`: it ends before the moment that `expires_at` names.
    fn existing(&self, now: Timestamp) -> Option<&Stored> {
        self.stored
            .as_ref()
            .filter(|stored| match stored.expires_at {
                Some(end) => now < end,
                None => true,
            })
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.stored.is_some() && self.existing(now).is_none()
    }
}

fn holds(precondition: Precondition, exists: bool, version: Version) -> bool {
    match precondition {
        Precondition::None => true,
        Precondition::Exists => exists,
        Precondition::Absent => !exists,
        Precondition::Version(expected) => exists && version == expected,
    }
}

/// Compares the end of an entry with what the write asked for.
fn ends_as_told(
    write: &Write,
    expiry: Expiry,
    before: Option<Timestamp>,
    actual: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), TestCaseError> {
    let end = match expiry {
        Expiry::Never => None,
        Expiry::After(duration) => Some(now.saturating_add(duration)),
        Expiry::At(end) => Some(end),
        Expiry::Keep => before,
    };
    match (expiry, actual) {
        // Exact on a clock that stands still; on any other only never too early.
        (Expiry::After(_), Some(_)) => prop_assert!(end <= actual, "{:?}", write),
        _ => prop_assert_eq!(actual, end, "{:?}", write),
    }
    Ok(())
}

impl Reference {
    pub(super) fn versions(&self, key: &Key) -> Versions {
        self.0
            .get(key)
            .map(|history| history.versions.clone())
            .unwrap_or_default()
    }

    pub(super) fn entry(&self, key: &Key, now: Timestamp) -> Option<Entry> {
        let history = self.0.get(key)?;
        let stored = history.existing(now)?;
        Some(
            Entry::new(stored.value.clone(), history.versions.last())
                .with_content_type(stored.content_type.clone())
                .with_expires_at(stored.expires_at),
        )
    }

    pub(super) fn count(&self, now: Timestamp) -> u64 {
        self.0
            .values()
            .filter(|history| history.existing(now).is_some())
            .count() as u64
    }

    /// All entries and folders of all pages.
    pub(super) fn listed(
        &self,
        options: &ScanOptions,
        now: Timestamp,
    ) -> (Vec<ScanEntry>, Vec<String>) {
        let selected = |key: &&Key| {
            let bytes = key.as_str().as_bytes();
            bytes.starts_with(options.prefix.as_str().as_bytes())
                && options
                    .start_after
                    .as_ref()
                    .is_none_or(|start| bytes > start.as_str().as_bytes())
        };
        let listed = |key: &Key| {
            let entry = self.entry(key, now)?;
            let mut listed = ScanEntry::new(key.clone(), entry.version, entry.value.len() as u64);
            listed.content_type = entry.content_type;
            listed.expires_at = entry.expires_at;
            listed.value = options.include_values.then_some(entry.value);
            Some(listed)
        };
        let (mut entries, mut folders) = (Vec::new(), BTreeSet::new());
        for entry in self.0.keys().filter(selected).filter_map(listed) {
            let below = &entry.key.as_str()[options.prefix.as_str().len()..];
            let delimiter = options.delimiter.as_ref().map(Delimiter::as_str);
            match delimiter.and_then(|delimiter| below.split_once(delimiter)) {
                Some((name, _)) => {
                    let delimiter = delimiter.unwrap_or_default();
                    folders.insert(format!("{}{name}{delimiter}", options.prefix));
                }
                None => entries.push(entry),
            }
        }
        (entries, folders.into_iter().collect())
    }

    /// Compares the outcome of a write that was done at `now` with the expectation, and takes note of it.
    pub(super) fn written(
        &mut self,
        write: &Write,
        outcome: Result<WriteOutcome, Error>,
        now: Timestamp,
    ) -> Result<(), TestCaseError> {
        let history = self.0.entry(write.key.clone()).or_default();
        let (exists, version) = (history.existing(now).is_some(), history.versions.last());
        let retried = history.last.filter(|(id, _)| *id == write.write_id);
        if let (Some((_, first)), Ok(outcome)) = (retried, &outcome)
            && outcome.replayed
        {
            prop_assert_eq!(*outcome, first.with_replayed(true), "a retry: {:?}", write);
            return Ok(());
        }
        // An expired entry may have been cleared away meanwhile, and the id with it.
        let forgotten = retried.is_none() || history.has_expired(now);
        prop_assert!(
            forgotten,
            "a retry that was not recognised: {:?}, {:?}",
            write,
            outcome
        );

        if !holds(write.precondition, exists, version) {
            let Err(error) = outcome else {
                return Err(TestCaseError::fail(format!(
                    "done against its precondition: {write:?}"
                )));
            };
            prop_assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{:?}", write);
            prop_assert_eq!(
                error.current_version(),
                exists.then_some(version),
                "{:?}",
                write
            );
            return Ok(());
        }
        let outcome =
            outcome.map_err(|error| TestCaseError::fail(format!("{write:?}: {error:?}")))?;
        prop_assert_eq!(
            (outcome.existed, outcome.replayed),
            (exists, false),
            "{:?}",
            write
        );
        match &write.action {
            WriteAction::Delete | WriteAction::Touch { .. } if !exists => {
                // A sweeper may have given what expired a version of its own.
                let swept = history.has_expired(now) && outcome.version > version;
                prop_assert!(
                    swept || outcome.version == version,
                    "{:?}: {:?}",
                    write,
                    outcome
                );
                prop_assert_eq!(outcome.expires_at, None);
                return Ok(());
            }
            WriteAction::Delete => {
                prop_assert_eq!(outcome.expires_at, None);
                history.stored = None;
            }
            WriteAction::Touch { expiry } => {
                let end = history.existing(now).and_then(|stored| stored.expires_at);
                ends_as_told(write, *expiry, end, outcome.expires_at, now)?;
                if let Some(stored) = &mut history.stored {
                    stored.expires_at = outcome.expires_at;
                }
            }
            WriteAction::Put {
                value,
                content_type,
                expiry,
            } => {
                let end = history.existing(now).and_then(|stored| stored.expires_at);
                ends_as_told(write, *expiry, end, outcome.expires_at, now)?;
                history.stored = Some(Stored {
                    value: value.clone(),
                    content_type: content_type.clone(),
                    expires_at: outcome.expires_at,
                });
            }
        }
        prop_assert!(
            outcome.version > version,
            "{:?}: {} after {}",
            write,
            outcome.version,
            version
        );
        history.versions.0.push(outcome.version);
        history.last = Some((write.write_id, outcome));
        Ok(())
    }

    /// Compares the result of a transaction, none of whose writes was sent before, and takes note of it.
    pub(super) fn transacted(
        &mut self,
        operations: &[Operation],
        result: Result<Vec<OperationOutcome>, Error>,
        now: Timestamp,
    ) -> Result<(), TestCaseError> {
        match result {
            Err(error) => self.refused(operations, &error, now),
            Ok(outcomes) => {
                prop_assert_eq!(outcomes.len(), operations.len());
                for (operation, outcome) in operations.iter().zip(outcomes) {
                    match (operation, outcome) {
                        (Operation::Write(write), OperationOutcome::Write(outcome)) => {
                            self.written(write, Ok(outcome), now)?;
                        }
                        (Operation::Get { key, precondition }, OperationOutcome::Get(found)) => {
                            let exists = self.entry(key, now);
                            let version =
                                exists.as_ref().map_or(Version::NONE, |entry| entry.version);
                            prop_assert!(
                                holds(*precondition, exists.is_some(), version),
                                "done against its precondition: {:?}",
                                operation
                            );
                            prop_assert_eq!(found, exists, "{:?}", operation);
                        }
                        (operation, outcome) => {
                            prop_assert!(false, "{:?} has the outcome {:?}", operation, outcome);
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Checks that the transaction could not be done, because of the operation that the error names.
    fn refused(
        &self,
        operations: &[Operation],
        error: &Error,
        now: Timestamp,
    ) -> Result<(), TestCaseError> {
        prop_assert_eq!(error.kind(), ErrorKind::Conflict, "{:?}", error);
        // Which keys existed for each operation; the versions of the writes that were undone are unknown.
        let mut existing: BTreeSet<Key> = self
            .0
            .keys()
            .filter(|key| self.entry(key, now).is_some())
            .cloned()
            .collect();
        let mut rewritten = BTreeSet::new();
        for (index, operation) in operations.iter().enumerate() {
            let key = operation.key();
            let (exists, known) = (existing.contains(key), !rewritten.contains(key));
            let version = self.versions(key).last();
            let precondition = match operation {
                Operation::Get { precondition, .. } => *precondition,
                Operation::Write(write) => write.precondition,
            };
            let holds = match precondition {
                Precondition::Version(_) if !known => false,
                precondition => holds(precondition, exists, version),
            };
            if !holds {
                prop_assert_eq!(error.operation(), Some(index), "{:?}", error);
                match error.current_version() {
                    Some(current) if !known => {
                        prop_assert!(exists && current > version, "{:?}", error)
                    }
                    current => prop_assert_eq!(current, exists.then_some(version), "{:?}", error),
                }
                return Ok(());
            }
            if let Operation::Write(write) = operation {
                let changed = match write.action {
                    WriteAction::Delete => existing.remove(key),
                    WriteAction::Touch { .. } if !exists => false,
                    WriteAction::Put { expiry, .. } | WriteAction::Touch { expiry } => {
                        match expiry {
                            Expiry::At(end) if end <= now => existing.remove(key),
                            _ => existing.insert(key.clone()),
                        };
                        true
                    }
                };
                if changed {
                    rewritten.insert(key.clone());
                }
            }
        }
        Err(TestCaseError::fail(format!(
            "refused without a reason: {error:?}"
        )))
    }
}
