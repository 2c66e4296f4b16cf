//! The rows of a store in memory, and which of them end when.

use std::collections::{BTreeMap, BTreeSet};

use crate::row::Row;
use crate::{Key, Timestamp, Version};

#[derive(Debug, Default)]
pub(super) struct Rows {
    by_key: BTreeMap<Key, Row>,
    by_end: BTreeSet<(Timestamp, Key)>,
}

impl Rows {
    pub(super) fn by_key(&self) -> &BTreeMap<Key, Row> {
        &self.by_key
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Row> {
        self.by_key.get(key)
    }

    pub(super) fn insert(&mut self, key: Key, row: Row) {
        if let Some(end) = row.expires_at {
            self.by_end.insert((end, key.clone()));
        }
        let new_end = row.expires_at;
        let previous = self.by_key.insert(key.clone(), row);
        if let Some(end) = previous.and_then(|row| row.expires_at)
            && Some(end) != new_end
        {
            self.by_end.remove(&(end, key));
        }
    }

    /// Makes a tombstone of an entry that has expired, if there is one; its key and version.
    pub(super) fn bury_one(&mut self, now: Timestamp) -> Option<(Key, Version)> {
        let (end, _) = self.by_end.first()?;
        if *end > now {
            return None;
        }
        let (_, key) = self.by_end.pop_first()?;
        let row = self.by_key.get_mut(&key)?;
        *row = row.tombstone(now);
        let version = row.version;
        Some((key, version))
    }

    /// Removes the tombstones of before `kept_since`.
    pub(super) fn forget(&mut self, kept_since: Timestamp) {
        self.by_key
            .retain(|_, row| row.value.is_some() || row.version.get() >= kept_since.as_micros());
    }
}
