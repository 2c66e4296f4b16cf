//! The newest changes, in a ring.

use std::collections::VecDeque;

use crate::{Change, ChangeKind, ChangePage, ChangePosition, ChangesOptions, Key, Result, Version};

#[derive(Debug)]
pub(super) struct Feed {
    /// Random: a position that another store gave, or an earlier process, is known as such.
    id: u64,
    /// How many changes are kept.
    kept: usize,
    /// The number of the first of them.
    first: u64,
    changes: VecDeque<(Key, Version, ChangeKind)>,
}

impl Feed {
    pub(super) fn new(kept: usize) -> Self {
        Self {
            id: rand::random(),
            kept,
            first: 0,
            changes: VecDeque::new(),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.kept > 0
    }

    pub(super) fn record(&mut self, key: Key, version: Version, kind: ChangeKind) {
        if !self.is_on() {
            return;
        }
        if self.changes.len() == self.kept {
            self.changes.pop_front();
            self.first += 1;
        }
        self.changes.push_back((key, version, kind));
    }

    fn position(&self, number: u64) -> ChangePosition {
        ChangePosition::new(self.id, number, 0, 0)
    }

    pub(super) fn page(&self, options: &ChangesOptions) -> Result<ChangePage> {
        let end = self.first + self.changes.len() as u64;
        let Some(since) = options.since else {
            return Ok(ChangePage::empty(self.position(end)));
        };
        since.check_within(self.position(self.first), self.position(end))?;
        since.check_given(since.sequence() == 0 && since.index() == 0)?;
        let mut page = ChangePage::empty(since);
        // Within the ring, whose length is a usize.
        let skipped = (since.order() - self.first) as usize;
        for (examined, (key, version, kind)) in self.changes.range(skipped..).enumerate() {
            if page.changes.len() == options.limit || examined == ChangesOptions::EXAMINED {
                return Ok(page.with_more(true));
            }
            page.position = self.position(since.order() + examined as u64 + 1);
            if options.prefix.matches(key) {
                let change = Change::new(page.position, key.clone(), *version, *kind);
                page.changes.push(change);
            }
        }
        Ok(page)
    }
}
