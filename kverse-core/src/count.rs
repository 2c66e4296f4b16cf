//! How many keys there are.

use crate::Key;

/// How many keys begin with a prefix, up to some point: a count goes through a bounded number of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// So many exist.
    pub keys: u64,
    /// Where the count goes on: there may be more keys after this one. `None`: these are all.
    pub next: Option<Key>,
}

impl Count {
    /// A count goes through so many rows, deleted keys among them, before it has to be continued.
    pub const MAX_ROWS: usize = 100_000;

    /// So many keys, up to `next`.
    pub fn new(keys: u64, next: Option<Key>) -> Self {
        Self { keys, next }
    }
}
