//! A cache outside the process, shared by replicas: one epoch at a time.

use std::fmt::{Debug, Display};
use std::time::Duration;

use async_trait::async_trait;

use super::cache::{Fill, Finish, Lookup};
use crate::{Key, Timestamp};

/// A cache that several replicas share, for example Redis. What it holds belongs to an epoch: a new epoch starts empty,
/// and what an old one held is out of reach. Which epoch it is, and whether the cache may be used, is not its business
/// but that of the [`ModeRegister`](super::ModeRegister).
///
/// Entries, absences, leases and markers are as in [`Cache`](super::Cache), with one difference: another replica may die
/// or stall at any point, so leases and markers have deadlines. A marker that lapsed *taints* its key: what its writer did
/// is unknown, so nothing is cached until no writes are in flight.
///
/// Each call has a time-out of its own and is atomic for each key. A cache may have parts that fail on their own; it is used
/// as a whole or not at all.
#[async_trait]
pub trait EpochCache: Debug + Display + Send + Sync + 'static {
    /// Begins an epoch: from now on calls that name it are answered, by this process of the cache only, or these if it has
    /// several. Asked for at most once an epoch.
    async fn open_epoch(&self, epoch: u64) -> Result<(), CacheError>;

    /// Identifies the running cache process, or all of them and which keys each holds: a restart, after which the cache may
    /// hold anything, changes it.
    async fn run_id(&self) -> Result<String, CacheError>;

    /// Checks that it is fit to be the cache, whatever it was when it was connected to: a role and settings with which
    /// markers stay until they lapse; and tells its time, as each of its clocks has it.
    ///
    /// # Errors
    /// `Unfit`, with what would have to change.
    async fn inspect(&self) -> Result<Vec<Timestamp>, CacheError>;

    /// Checks that all of it knows the epoch, by looking this key up.
    async fn probe(&self, epoch: u64, key: &Key) -> Result<(), CacheError> {
        self.lookup(epoch, std::slice::from_ref(key))
            .await
            .map(drop)
    }

    /// Looks keys up; one result a key, in order. An unknown key, and one with only lapsed markers, gets a lease.
    async fn lookup(&self, epoch: u64, keys: &[Key]) -> Result<Vec<Lookup>, CacheError>;

    /// Fills in what holders of leases fetched; whether each fill was accepted, in order: refused where the lease is gone.
    async fn fill(&self, epoch: u64, fills: Vec<Fill>) -> Result<Vec<bool>, CacheError>;

    /// Announces writes of these keys, all different, by an attempt that no other write shares. The markers lapse after
    /// `lifetime` by the cache's own clock.
    async fn mark(
        &self,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError>;

    /// Has those markers of an attempt that are still there lapse `lifetime` from now. A marker that is gone stays away: it
    /// would hide that others may have written since.
    async fn renew(
        &self,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError>;

    /// Ends the writes of an attempt.
    async fn finish(
        &self,
        epoch: u64,
        attempt: u64,
        outcomes: Vec<(Key, Finish)>,
    ) -> Result<(), CacheError>;

    /// Removes what epochs before this one left behind, a bounded part of it; whether there is more.
    async fn sweep(&self, epoch: u64) -> Result<bool, CacheError>;
}

/// Why a shared cache did not answer.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// It does not know the epoch: it was emptied, or the epoch was never opened.
    #[error("the cache does not know the epoch")]
    NoEpoch,
    /// A new connection found another process than the one the epoch was opened on.
    #[error("the cache was restarted")]
    Restarted,
    /// It cannot be reached, or did not answer in time.
    #[error("the cache cannot be reached: {0}")]
    Unreachable(String),
    /// It must not be used as it is: what it is or how it is set up would break the protocol. The text completes "it ...".
    #[error("the cache is unfit: it {0}")]
    Unfit(String),
    /// It answered something that makes no sense, or refused the command.
    #[error("the cache failed: {0}")]
    Failed(String),
}
