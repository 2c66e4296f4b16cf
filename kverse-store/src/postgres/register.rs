//! The register of the cache mode, and the replicas that are alive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use diesel_async::RunQueryDsl;
use kverse_core::cached::{Heartbeat, Mode, ModeRegister, ModeState};
use kverse_core::{Error, ErrorKind, Result, Timestamp};

use super::PostgresConfig;
use super::clock::DatabaseClock;
use super::error::{PostgresError, corrupt};
use super::pool::Connections;
use super::rows::{to_i64, to_u64};
use super::statements::{AdoptMode, Beat, ReadMode, SwapMode};

/// The [`ModeRegister`] in the tables `cache_mode` and `replica`. It has two connections of its own, so that it does not
/// wait behind reads and writes, and answers within a second or fails.
///
/// A mode is worth something only in the run of the database in which it was set. A database that was started since may be
/// one that was restored, or a standby that took over, and what the cache holds may be newer than its data: to read the mode
/// then switches the cache off for all, and the next epoch is none that was there before.
#[derive(Debug)]
pub struct PostgresModeRegister {
    connections: Connections,
}

impl PostgresModeRegister {
    const WAIT: Duration = Duration::from_secs(1);

    /// With connections of its own that know the same clock.
    pub(super) fn new(
        config: &PostgresConfig,
        clock: &Arc<DatabaseClock>,
    ) -> Result<Self, PostgresError> {
        let config = config
            .clone()
            .with_max_connections(2)
            .with_connection_wait(Self::WAIT)
            .with_statement_timeout(Self::WAIT);
        Ok(Self {
            connections: Connections::new(&config, Arc::clone(clock))?,
        })
    }

    /// The mode as it was left, be it in another run of the database.
    pub(crate) async fn recorded(&self) -> Result<Mode> {
        let (state, _) = self.load().await?;
        Ok(state.mode)
    }

    /// The state, and whether it was set in this run of the database.
    async fn load(&self) -> Result<(ModeState, bool), PostgresError> {
        let mut lease = self.connections.lease().await?;
        let read = ReadMode::new().get_result::<(i64, i64, String, String, bool)>(&mut lease);
        let (revision, epoch, mode, run_id, is_own) = self.connections.answer(read).await?;
        lease.keep();
        let state = ModeState {
            revision: to_u64(revision)?,
            epoch: to_u64(epoch)?,
            mode: to_mode(&mode)?,
            run_id,
        };
        Ok((state, is_own))
    }

    /// The state in this run of the database: off at first.
    async fn load_own(&self) -> Result<ModeState, PostgresError> {
        let (state, is_own) = self.load().await?;
        if is_own {
            return Ok(state);
        }
        let mut lease = self.connections.lease_to_write().await?;
        let adopt = async |connection: &mut _| AdoptMode::new().execute(connection).await;
        let adopted = self.connections.commit(&mut lease, adopt).await?;
        if adopted > 0 && state.mode != Mode::Off {
            tracing::info!(
                "the database was started or restored since the cache was used: the cache begins anew"
            );
        }
        lease.keep();
        match self.load().await? {
            (state, true) => Ok(state),
            (_, false) => {
                let message = "the database was started or restored just now";
                Err(Error::new(ErrorKind::Unavailable, message).into())
            }
        }
    }

    async fn swap(&self, expected: u64, new: &ModeState) -> Result<bool, PostgresError> {
        let mut lease = self.connections.lease_to_write().await?;
        let swap = SwapMode::new(
            to_i64(new.revision),
            to_i64(new.epoch),
            mode_text(new.mode),
            &new.run_id,
            to_i64(expected),
        );
        let swap = async |connection: &mut _| swap.execute(connection).await;
        match self.connections.commit(&mut lease, swap).await {
            Ok(swapped) => {
                lease.keep();
                Ok(swapped == 1)
            }
            Err(error) => Err(self.connections.judge(error, &mut lease).await),
        }
    }

    async fn beat(
        &self,
        replica: u128,
        revision: u64,
        forget_after: Duration,
    ) -> Result<Heartbeat, PostgresError> {
        let (replica, revision) = (replica.to_be_bytes(), to_i64(revision));
        let forget_after = i64::try_from(forget_after.as_micros()).unwrap_or(i64::MAX / 2);
        let mut lease = self.connections.lease_to_write().await?;
        let beat = Beat::new(
            &replica,
            revision,
            forget_after,
            &replica,
            revision,
            forget_after,
        );
        let asked = Instant::now();
        let beat = async |connection: &mut _| beat.get_result::<(i64, i64, i64)>(connection).await;
        let (others, reached, now) = self.connections.commit(&mut lease, beat).await?;
        self.connections.clock().observe(now, asked);
        lease.keep();
        Ok(Heartbeat {
            alive: to_u64(others)? + 1,
            ready: to_u64(reached)? + 1,
            now: Timestamp::from_micros(to_u64(now)?),
        })
    }
}

fn mode_text(mode: Mode) -> &'static str {
    match mode {
        Mode::On => "on",
        Mode::Warming => "warming",
        Mode::Off => "off",
    }
}

fn to_mode(text: &str) -> Result<Mode> {
    match text {
        "on" => Ok(Mode::On),
        "warming" => Ok(Mode::Warming),
        "off" => Ok(Mode::Off),
        _ => Err(corrupt("cache mode")),
    }
}

#[async_trait]
impl ModeRegister for PostgresModeRegister {
    async fn read(&self) -> Result<ModeState> {
        self.load_own().await.map_err(Error::from)
    }

    /// After a `Timeout` the state may or may not be replaced: read it.
    async fn compare_and_swap(&self, expected: u64, new: ModeState) -> Result<bool> {
        let swapped = self.swap(expected, &new).await;
        swapped.map_err(|error| match error {
            error if error.is_lost() => PostgresError::Unknown(Box::new(error)).into(),
            error => error.into(),
        })
    }

    async fn heartbeat(
        &self,
        replica: u128,
        revision: u64,
        forget_after: Duration,
    ) -> Result<Heartbeat> {
        self.beat(replica, revision, forget_after)
            .await
            .map_err(Error::from)
    }
}
