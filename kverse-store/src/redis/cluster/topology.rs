//! The servers that keys are spread over, as long as nothing moves.

use kverse_core::Key;
use kverse_core::cached::CacheError;

use super::super::RedisCache;
use super::report::{Address, Report};
use super::slots;

/// One shape of the cluster. An operation uses one from its beginning to its end.
pub(super) struct Topology {
    pub(super) digest: String,
    pub(super) shards: Vec<Shard>,
    /// Where nodes are that may be asked later.
    pub(super) nodes: Vec<Address>,
}

/// A part of the cache, in one process.
pub(super) struct Shard {
    pub(super) cache: RedisCache,
    pub(super) address: Address,
}

/// What of a request one shard is asked, and the places of that in the whole.
pub(super) struct Part<'a, T> {
    pub(super) shard: &'a Shard,
    pub(super) places: Vec<usize>,
    pub(super) items: Vec<T>,
}

impl Topology {
    /// Which shard has a key.
    pub(super) fn shard(&self, key: &Key) -> &Shard {
        &self.shards[self.index(key)]
    }

    /// Follows from the key and the number of shards alone, so that all who see this topology agree.
    fn index(&self, key: &Key) -> usize {
        usize::from(slots::slot(key.as_str().as_bytes())) % self.shards.len()
    }

    /// The items of each shard that has any.
    pub(super) fn parts<T>(
        &self,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> &Key,
    ) -> Vec<Part<'_, T>> {
        let empty = |shard| Part {
            shard,
            places: Vec::new(),
            items: Vec::new(),
        };
        let mut parts: Vec<_> = self.shards.iter().map(empty).collect();
        for (place, item) in items.into_iter().enumerate() {
            let part = &mut parts[self.index(key(&item))];
            part.places.push(place);
            part.items.push(item);
        }
        parts.retain(|part| !part.items.is_empty());
        parts
    }
}

impl Shard {
    /// What its process says of the cluster, if it is there.
    pub(super) async fn report(&self) -> Result<Report, CacheError> {
        let link = self.cache.server.live_link().await?;
        let asked = Report::ask(&mut link.connection(), &self.address).await;
        asked.map_err(|error| error.to_cache_error())
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.cache.server.is_given_up()
    }

    /// Which of them failed.
    pub(super) fn named(&self, error: CacheError) -> CacheError {
        let address = &self.address;
        match error {
            CacheError::Unreachable(why) => CacheError::Unreachable(format!("{address}: {why}")),
            CacheError::Failed(why) => CacheError::Failed(format!("{address}: {why}")),
            CacheError::Unfit(why) => CacheError::Unfit(format!("has a node {address} that {why}")),
            other => other,
        }
    }
}
