//! Clearing up: expired entries become tombstones, old tombstones go.

use std::time::Duration;

use diesel_async::RunQueryDsl;
use kverse_core::Result;
use rand::random_range;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::error::PostgresError;
use super::pool::Connections;
use super::rows::to_u64;
use super::statements::{BuryExpired, ClaimSweep, CompactFeed, RemoveTombstones};
use crate::feed::KEPT_COMMITS;

/// How many rows one step of a sweep changes; writes of these rows wait for one step at most.
const SWEEP_ROWS: i64 = 256;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Expired entries that became tombstones.
    pub expired: u64,
    /// Old tombstones that were removed.
    pub removed: u64,
    /// Commits that were removed from the feed of changes.
    pub compacted: u64,
}

/// Sweeps at an interval, which all replicas share: of all of them one sweeps each time.
#[derive(Clone, Debug)]
pub(super) struct Sweeper {
    pub(super) connections: Connections,
    pub(super) interval: Duration,
    pub(super) tombstone_retention: Duration,
    /// How long changes are kept, if they are.
    pub(super) change_retention: Option<Duration>,
}

/// A task that ends with its handle.
#[derive(Debug)]
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Sweeper {
    pub(super) fn start(self) -> Task {
        Task(tokio::spawn(async move {
            loop {
                // Replicas that were started together do not ask together.
                let wait = self.interval.mul_f64(random_range(0.9..1.1));
                sleep(wait).await;
                match self.sweep_if_due().await {
                    Ok(swept) if swept != Swept::default() => {
                        tracing::debug!(swept.expired, swept.removed, swept.compacted, "swept");
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(error = &error as &dyn std::error::Error, "cannot sweep");
                    }
                }
            }
        }))
    }

    async fn sweep_if_due(&self) -> Result<Swept> {
        if self.claim().await? {
            self.sweep().await
        } else {
            Ok(Swept::default())
        }
    }

    /// Whether a sweep is due and no other replica does it.
    async fn claim(&self) -> Result<bool, PostgresError> {
        // Somewhat less than the interval: the one who swept last may be next.
        let interval = self.interval.mul_f64(0.8).as_micros();
        let interval = i64::try_from(interval).unwrap_or(i64::MAX / 2);
        let mut lease = self.connections.lease_to_write().await?;
        let claim = ClaimSweep::new(interval);
        let claim = async |connection: &mut _| claim.load::<i64>(connection).await;
        let claimed = self.connections.commit(&mut lease, claim).await?;
        lease.keep();
        Ok(!claimed.is_empty())
    }

    /// Sweeps until nothing is left to do.
    pub(super) async fn sweep(&self) -> Result<Swept> {
        let mut swept = Swept::default();
        let mut more = true;
        while more {
            let removed = self.remove_tombstones().await?;
            let expired = self.bury_some().await?;
            let compacted = self.compact().await?;
            more = removed.max(expired).max(compacted) >= SWEEP_ROWS as u64;
            swept.removed += removed;
            swept.expired += expired;
            swept.compacted += compacted;
        }
        Ok(swept)
    }

    /// Turns all expired entries into tombstones.
    pub(super) async fn bury(&self) -> Result<(), PostgresError> {
        while self.bury_some().await? >= SWEEP_ROWS as u64 {}
        Ok(())
    }

    async fn bury_some(&self) -> Result<u64, PostgresError> {
        let mut lease = self.connections.lease_to_write().await?;
        let bury = BuryExpired::new(SWEEP_ROWS, self.change_retention.is_some());
        let bury = async |connection: &mut _| bury.get_result::<i64>(connection).await;
        let expired = self.connections.commit(&mut lease, bury).await?;
        lease.keep();
        Ok(to_u64(expired)?)
    }

    async fn remove_tombstones(&self) -> Result<u64, PostgresError> {
        let mut lease = self.connections.lease_to_write().await?;
        let retention = micros(self.tombstone_retention);
        let remove = RemoveTombstones::new(retention, SWEEP_ROWS);
        let remove = async |connection: &mut _| remove.execute(connection).await;
        let removed = self.connections.commit(&mut lease, remove).await?;
        lease.keep();
        Ok(removed as u64)
    }

    async fn compact(&self) -> Result<u64, PostgresError> {
        let Some(retention) = self.change_retention else {
            return Ok(0);
        };
        let mut lease = self.connections.lease_to_write().await?;
        let compact = CompactFeed::new(SWEEP_ROWS, micros(retention), KEPT_COMMITS);
        let compact = async |connection: &mut _| compact.get_result::<i64>(connection).await;
        let compacted = self.connections.commit(&mut lease, compact).await?;
        lease.keep();
        Ok(to_u64(compacted)?)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 2)
}
