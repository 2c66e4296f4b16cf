//! Removing what old epochs left behind.

use kverse_core::cached::CacheError;
use redis::{FromRedisValue, cmd};

use super::RedisCache;
use super::commands::{Command, Request};

/// How far the sweep of an epoch has come.
#[derive(Debug, Default)]
pub(super) struct Position {
    epoch: u64,
    cursor: u64,
}

impl RedisCache {
    /// Steps in one call.
    const STEPS: usize = 20;
    /// About how many keys Redis looks at in one step.
    const KEYS_PER_STEP: usize = 500;

    /// Some steps of a scan through all keys; whether there is more to scan.
    pub(super) async fn sweep_some(&self, epoch: u64) -> Result<bool, CacheError> {
        let mut position = self.sweeping.lock().await;
        if position.epoch != epoch {
            *position = Position { epoch, cursor: 0 };
        }
        for _ in 0..Self::STEPS {
            position.cursor = self.sweep_step(epoch, position.cursor).await?;
            if position.cursor == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn sweep_step(&self, epoch: u64, cursor: u64) -> Result<u64, CacheError> {
        let scan = |_: &_| {
            let mut scan = cmd("SCAN");
            scan.arg(cursor)
                .arg("MATCH")
                .arg(format!("{}:*", self.options.prefix))
                .arg("COUNT")
                .arg(Self::KEYS_PER_STEP);
            Request::Command(scan)
        };
        let answer = self.server.query_any(Command::Sweep, scan).await?;
        let (next, mut keys) = <(u64, Vec<Vec<u8>>)>::from_redis_value(answer)
            .map_err(|error| CacheError::Failed(format!("SCAN: {error}")))?;
        keys.retain(|key| self.server.epoch_of(key).is_some_and(|old| old < epoch));
        if !keys.is_empty() {
            let unlink = |_: &_| {
                let mut unlink = cmd("UNLINK");
                unlink.arg(&keys);
                Request::Command(unlink)
            };
            self.server.query_any(Command::Sweep, unlink).await?;
        }
        Ok(next)
    }
}
