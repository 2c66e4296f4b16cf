//! The Redis that a URL names.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt};
use kverse_core::cached::EpochCache;
use kverse_core::{Result, Timestamp};
use prometheus::Registry;

use super::{ClusterCache, RedisCache, RedisOptions};
use crate::RedisUrl;

/// A server or a cluster.
pub(crate) enum ConfiguredCache {
    Server(RedisCache),
    Cluster(ClusterCache),
}

impl ConfiguredCache {
    pub(crate) fn new(url: &RedisUrl, options: RedisOptions) -> Result<Self> {
        if url.is_cluster() {
            return ClusterCache::new(url.servers(), options).map(Self::Cluster);
        }
        RedisCache::new(url.expose(), options).map(Self::Server)
    }

    /// Of a type that says nothing of what it waits for: who opens a store would have too many within each other.
    pub(crate) fn check(&self, database_now: Timestamp) -> BoxFuture<'_, Result<()>> {
        match self {
            Self::Server(server) => server.check(database_now).boxed(),
            Self::Cluster(cluster) => cluster.check(database_now).boxed(),
        }
    }

    pub(crate) fn register(&self, registry: &Registry) -> Result<()> {
        match self {
            Self::Server(server) => server.register(registry),
            Self::Cluster(cluster) => cluster.register(registry),
        }
    }

    pub(crate) fn into_cache(self) -> Arc<dyn EpochCache> {
        match self {
            Self::Server(server) => Arc::new(server),
            Self::Cluster(cluster) => Arc::new(cluster),
        }
    }
}
