//! The cache server as a replica sees it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kverse_core::cached::{CacheError, EpochCache, Fill, Finish, Lookup};
use kverse_core::{Key, Result, Timestamp};

use crate::cache_server::Epoch;
use crate::links::Links;

#[derive(Debug)]
pub(crate) struct CacheLink(pub(crate) Arc<Links>);

#[async_trait]
impl EpochCache for CacheLink {
    async fn open_epoch(&self, epoch: u64) -> Result<(), CacheError> {
        self.0
            .cache(|cache| {
                let opened = Epoch {
                    process: cache.process,
                    keys: HashMap::new(),
                };
                assert!(cache.epochs.insert(epoch, opened).is_none());
                Ok(())
            })
            .await
    }

    async fn run_id(&self) -> Result<String, CacheError> {
        self.0.cache(|cache| Ok(cache.process.to_string())).await
    }

    async fn inspect(&self) -> Result<Vec<Timestamp>, CacheError> {
        let now = self.0.world.now();
        self.0
            .cache(|cache| match &cache.unfit {
                Some(why) => Err(CacheError::Unfit(why.clone())),
                None => Ok(vec![now.saturating_add(cache.ahead)]),
            })
            .await
    }

    async fn lookup(&self, epoch: u64, keys: &[Key]) -> Result<Vec<Lookup>, CacheError> {
        self.0
            .cache(|cache| keys.iter().map(|key| cache.lookup(epoch, key)).collect())
            .await
    }

    async fn fill(&self, epoch: u64, fills: Vec<Fill>) -> Result<Vec<bool>, CacheError> {
        self.0
            .cache(|cache| {
                let fills = fills.into_iter();
                fills.map(|fill| cache.fill(epoch, fill)).collect()
            })
            .await
    }

    async fn mark(
        &self,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        self.0
            .cache(|cache| {
                keys.iter()
                    .try_for_each(|key| cache.mark(epoch, key, attempt, lifetime))
            })
            .await
    }

    async fn renew(
        &self,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        self.0
            .cache(|cache| {
                keys.iter()
                    .try_for_each(|key| cache.renew(epoch, key, attempt, lifetime))
            })
            .await
    }

    async fn finish(
        &self,
        epoch: u64,
        attempt: u64,
        outcomes: Vec<(Key, Finish)>,
    ) -> Result<(), CacheError> {
        self.0
            .cache(|cache| {
                outcomes
                    .into_iter()
                    .try_for_each(|(key, outcome)| cache.finish(epoch, attempt, key, outcome))
            })
            .await
    }

    async fn sweep(&self, epoch: u64) -> Result<bool, CacheError> {
        self.0
            .cache(|cache| {
                cache.epochs.retain(|old, _| *old >= epoch);
                Ok(false)
            })
            .await
    }
}

impl fmt::Display for CacheLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated cache")
    }
}
