//! What a batch of writes tells the cache.

use std::collections::HashMap;

use super::cache::Finish;
use crate::{Entry, Error, ErrorKind, Key, Result, Version, Write, WriteAction, WriteOutcome};

/// What a write leaves, if it is done.
enum Left {
    Nothing,
    Entry(Entry),
    /// An entry with a value that it does not know; nothing, if there was none.
    Unknown,
}

/// The writes of a batch, kept to tell the cache how they ended.
#[derive(Default)]
pub(super) struct Marked {
    /// Each key once.
    pub(super) keys: Vec<Key>,
    index_of: HashMap<Key, usize>,
    /// For each write the index of its key, and what it leaves there.
    writes: Vec<(usize, Left)>,
}

impl Marked {
    pub(super) fn add(&mut self, write: &Write) {
        let index = *self.index_of.entry(write.key.clone()).or_insert_with(|| {
            self.keys.push(write.key.clone());
            self.keys.len() - 1
        });
        let left = match &write.action {
            WriteAction::Put {
                value,
                content_type,
                ..
            } => Left::Entry(
                Entry::new(value.clone(), Version::NONE).with_content_type(content_type.clone()),
            ),
            WriteAction::Touch { .. } => Left::Unknown,
            WriteAction::Delete => Left::Nothing,
        };
        self.writes.push((index, left));
    }

    /// How the writes of each key ended. `outcomes` has one for each write; it is `None` as a whole if nobody knows.
    pub(super) fn outcomes<'a>(
        self,
        outcomes: Option<impl Iterator<Item = Result<&'a WriteOutcome, &'a Error>>>,
    ) -> Vec<(Key, Finish)> {
        let Some(outcomes) = outcomes else {
            return self
                .keys
                .into_iter()
                .map(|key| (key, Finish::Unknown))
                .collect();
        };
        let mut finishes: Vec<(Key, Finish)> = self
            .keys
            .into_iter()
            .map(|key| (key, Finish::NotDone))
            .collect();
        for ((index, left), outcome) in self.writes.into_iter().zip(outcomes) {
            finishes[index].1 = match outcome {
                // What was stored under this write's id is not known to be this value.
                Ok(outcome) if outcome.replayed => Finish::Uncached(outcome.version),
                Ok(outcome) => match left {
                    Left::Unknown if outcome.existed => Finish::Uncached(outcome.version),
                    Left::Unknown | Left::Nothing => Finish::Done(outcome.version, None),
                    Left::Entry(mut entry) => {
                        entry.version = outcome.version;
                        let entry = entry.with_expires_at(outcome.expires_at);
                        Finish::Done(outcome.version, Some(entry))
                    }
                },
                Err(error) => match error.kind() {
                    ErrorKind::PreconditionFailed | ErrorKind::TooLarge => continue,
                    _ => Finish::Unknown,
                },
            };
        }
        finishes
    }
}
