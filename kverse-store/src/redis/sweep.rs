//! Removing what old epochs left behind.

use std::collections::BTreeMap;

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
                .arg(self.sweep_pattern())
                .arg("COUNT")
                .arg(Self::KEYS_PER_STEP);
            Request::Command(scan)
        };
        let answer = self.server.query_any(Command::Sweep, scan).await?;
        let (next, keys) = <(u64, Vec<Vec<u8>>)>::from_redis_value(answer)
            .map_err(|error| CacheError::Failed(format!("SCAN: {error}")))?;
        let mut old: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
        for key in &keys {
            if let Some((tag, of)) = self.server.place.parse(key)
                && of < epoch
            {
                old.entry(tag).or_default().push(key);
            }
        }
        // One command must not name keys of different slots.
        for (tag, keys) in old {
            let unlink = |_: &_| {
                let mut unlink = cmd("UNLINK");
                unlink.arg(&keys);
                Request::Command(unlink)
            };
            let unlinked = self.server.query_any(Command::Sweep, unlink).await;
            // What has another tag may be on its way to another node, who sweeps it.
            if tag == self.server.place.tag.as_bytes() {
                unlinked?;
            }
        }
        Ok(next)
    }

    /// Of all keys of the cache in this server; in a cluster also those with a tag that another topology gave it.
    fn sweep_pattern(&self) -> String {
        let place = &self.server.place;
        let rest = if place.tag.is_empty() { ":*" } else { "{*" };
        [&place.prefix, rest].concat()
    }
}
