//! What a cache must do for reads through it to be never stale.

use std::fmt::{Debug, Display};
use std::time::Duration;

use async_trait::async_trait;

use tokio::time::Instant;

use crate::{ComponentHealth, Entry, Key, Result, Version};

/// A cache that takes part in the coherence protocol of [`CachedStore`](super::CachedStore).
///
/// For each key it is in one of these states: unknown, an entry (or that there is none), a *lease* (one reader is
/// fetching the key and may fill it in), or a *marker* (writes of the key are in flight). Each method is atomic for each
/// key.
#[async_trait]
pub trait Cache: Debug + Display + Send + Sync + 'static {
    /// Looks keys up; one result a key, in order. A key that is unknown gets a lease, which is the caller's. A cache
    /// that fails answers [`Lookup::Off`]: it never fails a read.
    async fn lookup(&self, keys: &[Key]) -> Vec<Lookup>;

    /// Fills in what the holders of leases fetched; whether each fill was accepted, in order. Refused for a lease that is
    /// no longer there: a write came in between, or it took too long. What was accepted is what the key held at that
    /// moment.
    async fn fill(&self, fills: Vec<Fill>) -> Vec<bool>;

    /// Announces writes of these keys, which are all different, before they go to the database: puts a marker in the
    /// place of whatever is known of each.
    ///
    /// # Errors
    /// The write must not be done: others could serve stale reads.
    async fn mark(&self, keys: &[Key]) -> Result<Mark>;

    /// Keeps the mark of writes that take long from lapsing. Needed only for marks with a [`Window`]. Best effort: a mark
    /// that has lapsed stays so.
    async fn renew(&self, mark: &Mark, keys: &[Key]) {
        let _ = (mark, keys);
    }

    /// Ends the writes that `mark` announced, with one outcome a key. When no other write of the key is in flight, and the
    /// outcome is the newest, it is cached; else the key becomes unknown.
    async fn finish(&self, mark: Mark, outcomes: Vec<(Key, Finish)>);

    /// Whether all who write the backend see the same cache. If not, the backend must have one writer only.
    fn is_shared(&self) -> bool;

    /// Checks the cache by using it. A cache in this process needs no check.
    async fn check(&self) -> Option<ComponentHealth> {
        None
    }

    /// Stops using the cache: those who share it need not wait for this process any more.
    async fn leave(&self) {}
}

/// What a cache knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The key holds this, or nothing.
    Hit(Option<Entry>),
    /// Nothing is known. Read the database and fill it in under this lease.
    Miss(Lease),
    /// Another reader is fetching the key. Read the database; do not fill.
    Busy,
    /// A write of the key is in flight. Read the database; do not fill.
    Bypass,
    /// The cache cannot be used now. Read the database; do not fill.
    Off,
}

/// The right to fill in a key that was unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease(pub u64);

/// What the holder of a lease found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fill {
    /// The key.
    pub key: Key,
    /// The lease from the lookup.
    pub lease: Lease,
    /// What was found; an error if nothing could be read: then the lease is given back.
    pub found: Result<Option<Entry>, FetchFailed>,
}

/// The database could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchFailed;

/// Writes in flight that a cache knows of: the identity of one attempt, and until when it stands.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "what is marked must be finished"]
pub struct Mark {
    /// The identity of the attempt.
    pub attempt: u64,
    /// Until when the writes may be done; `None`: as long as it takes.
    pub window: Option<Window>,
}

/// When a marked write may be done, so that it is over before its mark lapses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// It must go to the backend before then.
    pub start_by: Instant,
    /// The backend must not begin to apply it after then.
    pub fence: Instant,
    /// The mark is to be renewed so often while the outcome is not known.
    pub renew_every: Duration,
}

/// How a marked write of a key ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It was done: the key has this version, and holds this entry or nothing.
    Done(Version, Option<Entry>),
    /// It was done with this version, but what the key holds is not to be cached.
    Uncached(Version),
    /// It was certainly not done.
    NotDone,
    /// It may or may not have been done.
    Unknown,
}
