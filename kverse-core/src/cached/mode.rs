//! Whether the shared cache may be used, agreed on by all replicas.

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Result, Timestamp};

/// How the replicas use the shared cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Hits are served; every write is marked.
    On,
    /// No hits and no fills, but every write is marked: the time before `On`.
    Warming,
    /// The cache is not used at all: the service runs on the database alone.
    Off,
}

impl Mode {
    /// The mode as in metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Warming => "warming",
            Self::Off => "off",
        }
    }
}

/// The one row that all replicas agree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeState {
    /// Grows with every change, so that a change can be told from its repetition.
    pub revision: u64,
    /// The epoch of the cache; grows whenever the cache has to start empty.
    pub epoch: u64,
    /// How the cache is used.
    pub mode: Mode,
    /// The cache process that the epoch belongs to; empty if there is none yet.
    pub run_id: String,
}

/// The register of the mode, in the database.
#[async_trait]
pub trait ModeRegister: Debug + Send + Sync + 'static {
    /// The current state. A fresh register has revision 0, mode `Off` and no run id. When the data may have gone back to an
    /// earlier state, as after a restore, it is `Off` first, and the epochs from then on are none that were there before.
    async fn read(&self) -> Result<ModeState>;

    /// Replaces the state if its revision is still `expected`; `new.revision` is `expected + 1`. Whether it did.
    async fn compare_and_swap(&self, expected: u64, new: ModeState) -> Result<bool>;

    /// Says that this replica is alive, and in which revision all of its writes are now done; and forgets replicas
    /// that have not said so for `forget_after`. What a replica says may go back: one that cannot reach the cache while
    /// it is off says less than it said before.
    async fn heartbeat(
        &self,
        replica: u128,
        revision: u64,
        forget_after: Duration,
    ) -> Result<Heartbeat>;
}

/// What the register answers to a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// How many replicas are alive, with the one that asks.
    pub alive: u64,
    /// How many of them have last said the revision that was asked with, or a later one.
    pub ready: u64,
    /// The time of the database.
    pub now: Timestamp,
}
