//! The feed of changes, a page at a time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::{Error, ErrorKind, Key, Limits, Prefix, Result, Version};

/// A place in the feed of changes of one store: between two changes, in front of the first, or behind the last. Positions
/// of a feed are ordered as its changes are. As text, and in JSON, it is opaque: 38 characters of URL-safe base64.
///
/// ```
/// use kverse_core::ChangePosition;
///
/// let position = ChangePosition::new(7, 42, 0, 3);
/// assert_eq!(position.to_string().parse::<ChangePosition>()?, position);
/// assert!("42".parse::<ChangePosition>().is_err());
/// # Ok::<(), kverse_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChangePosition {
    feed: u64,
    order: u64,
    sequence: u64,
    index: u32,
}

impl ChangePosition {
    const BYTES: usize = 28;

    /// For those who write a store: in the feed of this random identity, in front of the change of this index in the first
    /// commit that is not before `order` and, within it, `sequence`.
    pub const fn new(feed: u64, order: u64, sequence: u64, index: u32) -> Self {
        Self {
            feed,
            order,
            sequence,
            index,
        }
    }

    /// The identity of the feed, which differs between stores.
    pub const fn feed(self) -> u64 {
        self.feed
    }

    /// What the store orders its commits by.
    pub const fn order(self) -> u64 {
        self.order
    }

    /// What it orders those by that are equal in [`order`](Self::order).
    pub const fn sequence(self) -> u64 {
        self.sequence
    }

    /// How many changes of the commit are before the position.
    pub const fn index(self) -> u32 {
        self.index
    }

    /// Refuses to go on from here if that cannot be done without a gap: `kept` is the first position of the feed that is
    /// still kept, `end` the last that it has given out.
    ///
    /// # Errors
    /// `Gone`.
    pub fn check_within(self, kept: Self, end: Self) -> Result<()> {
        if self.feed != end.feed {
            return Err(gone(
                "the position belongs to another feed: the store is another one, or its feed was begun anew",
            ));
        }
        if self < kept {
            return Err(gone("the changes after this position are no longer kept"));
        }
        self.check_given(self <= end)
    }

    /// Refuses to go on from here if the feed never gave this position.
    ///
    /// # Errors
    /// `Gone`.
    pub fn check_given(self, given: bool) -> Result<()> {
        if given {
            return Ok(());
        }
        Err(gone(
            "this store never gave this position, or lost what it had stored",
        ))
    }
}

fn gone(reason: &str) -> Error {
    let message = format!("{reason}; read the keys anew, and go on from the present position");
    Error::new(ErrorKind::Gone, message)
}

impl fmt::Display for ChangePosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.feed.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.order.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[24..].copy_from_slice(&self.index.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for ChangePosition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::invalid_input(
                "the position in the feed is malformed: pass on the one that came with the last change unchanged",
            )
        };
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| malformed().with_source(error))?;
        let bytes: [u8; Self::BYTES] = bytes
            .try_into()
            .map_err(|_other_length: Vec<u8>| malformed())?;
        let number = |from: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[from..from + 8]);
            u64::from_be_bytes(number)
        };
        let mut index = [0; 4];
        index.copy_from_slice(&bytes[24..]);
        Ok(Self {
            feed: number(0),
            order: number(8),
            sequence: number(16),
            index: u32::from_be_bytes(index),
        })
    }
}

impl TryFrom<String> for ChangePosition {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ChangePosition> for String {
    fn from(position: ChangePosition) -> Self {
        position.to_string()
    }
}

impl Error {
    /// The store has no feed of changes.
    pub fn no_changes() -> Self {
        let message = "this store has no feed of changes, or it is switched off: a server keeps one \
            unless --change-retention (KVERSE_CHANGE_RETENTION) is 0s";
        Self::new(ErrorKind::Unsupported, message)
    }
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeKind {
    /// An entry was stored, in place of another or not.
    Put,
    /// The entry was removed by a write.
    Delete,
    /// The entry came to its end, and the store has noticed.
    Expire,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Put, Self::Delete, Self::Expire];

    /// The kind as the name of an event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Expire => "expire",
        }
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ChangeKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| {
            Error::invalid_input(format!(
                "`{text}` is not a kind of change: expected put, delete or expire"
            ))
        })
    }
}

/// One change of one key. It does not carry the value: a read that follows finds this version or a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Where the feed goes on after it.
    pub position: ChangePosition,
    /// The key.
    pub key: Key,
    /// The version that the change gave the key.
    pub version: Version,
    /// What happened.
    pub kind: ChangeKind,
}

impl Change {
    /// A change, after which the feed goes on at `position`.
    pub fn new(position: ChangePosition, key: Key, version: Version, kind: ChangeKind) -> Self {
        Self {
            position,
            key,
            version,
            kind,
        }
    }
}

/// Which changes are wanted, and how many on one page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangesOptions {
    /// Only changes after this. Default, and `None`: from now; the page is empty then, and tells the present position.
    pub since: Option<ChangePosition>,
    /// Only keys that begin with this. Default: all.
    pub prefix: Prefix,
    /// At most this many changes: 1 to [`Limits::max_page_entries`]. Default 100.
    pub limit: usize,
    /// How long the store may wait for a change if there is none; one that cannot wait answers at once, so whoever wants to
    /// wait asks again a little later. Default zero, at most [`MAX_WAIT`](Self::MAX_WAIT).
    pub wait: Duration,
}

impl ChangesOptions {
    /// The default of [`limit`](Self::limit).
    pub const DEFAULT_LIMIT: usize = 100;

    /// A page ends, whether it has changes or none, once so many changes were looked at to find those that begin with the
    /// prefix: 10,000, and what is left of the commit.
    pub const EXAMINED: usize = 10_000;

    /// The longest [`wait`](Self::wait): 60 s.
    pub const MAX_WAIT: Duration = Duration::from_secs(60);

    /// The changes of keys that begin with `prefix`, from now.
    pub fn new(prefix: Prefix) -> Self {
        Self {
            since: None,
            prefix,
            limit: Self::DEFAULT_LIMIT,
            wait: Duration::ZERO,
        }
    }

    /// Only changes after this position.
    #[must_use]
    pub fn with_since(mut self, since: Option<ChangePosition>) -> Self {
        self.since = since;
        self
    }

    /// At most this many changes.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The store may wait so long for a change.
    #[must_use]
    pub fn with_wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Checks the page size against the limits.
    ///
    /// # Errors
    /// `InvalidInput` for a limit of zero, `TooLarge` for more than the limits allow.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        if self.limit == 0 {
            return Err(Error::invalid_input("the limit of a page is at least 1"));
        }
        if self.limit > limits.max_page_entries {
            return Err(Error::too_large(
                "page",
                "changes",
                limits.max_page_entries,
                self.limit,
            ));
        }
        Ok(())
    }
}

/// A part of the feed, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangePage {
    /// The changes. May be empty although more follow.
    pub changes: Vec<Change>,
    /// Where to go on: give it as [`ChangesOptions::since`]. May be further than the last change of the page.
    pub position: ChangePosition,
    /// Whether there may be more already: then read on at once, else wait a little.
    pub more: bool,
}

impl ChangePage {
    /// A page without changes, after which the feed goes on at `position`.
    pub fn empty(position: ChangePosition) -> Self {
        Self {
            changes: Vec::new(),
            position,
            more: false,
        }
    }

    /// The same, with more to come or not.
    #[must_use]
    pub fn with_more(mut self, more: bool) -> Self {
        self.more = more;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered_and_come_back_from_text() {
        let positions = [
            ChangePosition::new(1, 0, 0, 0),
            ChangePosition::new(1, 0, 0, 1),
            ChangePosition::new(1, 0, 1, 0),
            ChangePosition::new(1, 1, 0, 0),
            ChangePosition::new(1, u64::MAX, u64::MAX, u32::MAX),
        ];
        assert!(positions.is_sorted_by(|a, b| a < b));
        for position in positions {
            assert_eq!(
                position.to_string().parse::<ChangePosition>().unwrap(),
                position
            );
        }
    }

    #[test]
    fn only_whole_positions_are_parsed() {
        let text = ChangePosition::new(1, 2, 3, 4).to_string();
        for bad in [
            "",
            "0",
            "*",
            &text[1..],
            &format!("{text}A"),
            &format!("{text}="),
        ] {
            let error = bad.parse::<ChangePosition>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        }
        // Bits that no position has: one text for one position.
        assert!(
            format!("{}B", &text[..37])
                .parse::<ChangePosition>()
                .is_err()
        );
    }

    #[test]
    fn what_is_not_kept_or_was_never_given_is_gone() {
        let at = |order| ChangePosition::new(1, order, 0, 0);
        for (position, within) in [
            (at(4), false),
            (at(5), true),
            (at(9), true),
            (at(10), false),
            (ChangePosition::new(2, 7, 0, 0), false),
        ] {
            let checked = position.check_within(at(5), at(9));
            assert_eq!(checked.is_ok(), within);
            if let Err(error) = checked {
                assert_eq!(error.kind(), ErrorKind::Gone);
            }
        }
    }
}
