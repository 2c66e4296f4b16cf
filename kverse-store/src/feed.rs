//! The feed of changes as databases keep it: one record for each commit.

use std::time::Duration;

use kverse_core::{
    Change, ChangeKind, ChangePage, ChangePosition, ChangesOptions, Error, Key, Result, Version,
};

/// How long changes are kept unless the configuration says otherwise.
pub(crate) const DEFAULT_RETENTION: Duration = crate::StoreConfig::DEFAULT_CHANGE_RETENTION;

/// How many commits the feed keeps, however young they are.
pub(crate) const KEPT_COMMITS: i64 = 1_000_000;

/// A change as it is recorded.
pub(crate) type Record = (Key, Version, ChangeKind);

/// The changes of one commit, in their order. There is at least one.
#[derive(Debug)]
pub(crate) struct Commit {
    pub(crate) order: u64,
    pub(crate) sequence: u64,
    pub(crate) changes: Vec<Record>,
}

impl Commit {
    /// The position in front of the change of this index, or behind the last.
    fn position(&self, feed: u64, index: usize) -> ChangePosition {
        if index < self.changes.len() {
            // No commit has as many changes as this could not hold.
            ChangePosition::new(feed, self.order, self.sequence, index as u32)
        } else {
            ChangePosition::new(feed, self.order, self.sequence + 1, 0)
        }
    }
}

/// What was read of a feed, all at one time.
#[derive(Debug)]
pub(crate) struct Excerpt {
    /// The first position that is kept, and the one behind all that can be told.
    pub(crate) kept: ChangePosition,
    pub(crate) end: ChangePosition,
    /// Commits from a position on, without a gap.
    pub(crate) commits: Vec<Commit>,
    /// Whether there are more behind them.
    pub(crate) more: bool,
}

/// How many changes have to be read for a page: a commit is read if there are fewer before it, and at least one.
pub(crate) fn budget(options: &ChangesOptions) -> usize {
    if options.prefix.as_str().is_empty() {
        options.limit + 1
    } else {
        ChangesOptions::EXAMINED
    }
}

impl Excerpt {
    /// The page that follows `since`, from where the excerpt begins.
    ///
    /// # Errors
    /// `Gone` if the feed does not go on from there without a gap.
    pub(crate) fn page(
        self,
        since: ChangePosition,
        options: &ChangesOptions,
    ) -> Result<ChangePage> {
        since.check_within(self.kept, self.end)?;
        let feed = self.end.feed();
        let first = self.commits.first();
        let begun = first
            .filter(|commit| (commit.order, commit.sequence) == (since.order(), since.sequence()));
        let mut skipped = since.index() as usize;
        since.check_given(
            skipped == 0 || begun.is_some_and(|commit| skipped < commit.changes.len()),
        )?;
        let mut page = ChangePage::empty(since);
        for commit in &self.commits {
            for (index, (key, version, kind)) in commit.changes.iter().enumerate().skip(skipped) {
                if page.changes.len() == options.limit {
                    return Ok(page.with_more(true));
                }
                page.position = commit.position(feed, index + 1);
                if options.prefix.matches(key) {
                    page.changes
                        .push(Change::new(page.position, key.clone(), *version, *kind));
                }
            }
            skipped = 0;
        }
        if !self.more {
            page.position = self.end;
        }
        Ok(page.with_more(self.more))
    }
}

/// The kind as one letter of the database.
pub(crate) const fn letter(kind: ChangeKind) -> char {
    match kind {
        ChangeKind::Delete => 'd',
        ChangeKind::Expire => 'e',
        // The only other that a store records.
        _ => 'p',
    }
}

/// The kind of this letter.
///
/// # Errors
/// `Corrupt`.
pub(crate) fn from_letter(letter: u8) -> Result<ChangeKind> {
    match letter {
        b'p' => Ok(ChangeKind::Put),
        b'd' => Ok(ChangeKind::Delete),
        b'e' => Ok(ChangeKind::Expire),
        _ => Err(corrupt()),
    }
}

/// A record that this version did not write.
pub(crate) fn corrupt() -> Error {
    let message = "the database holds a change that cannot be read";
    Error::new(kverse_core::ErrorKind::Corrupt, message)
}
