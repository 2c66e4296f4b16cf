//! Connections to one process of Redis.

use std::sync::atomic::{AtomicU64, Ordering};

use deadpool_redis::{Connection, Pool, PoolError};
use kverse_core::cached::CacheError;
use prometheus::IntGauge;
use redis::aio::MultiplexedConnection;
use redis::{RedisError, cmd};

use super::error;
use super::info::Info;
use super::place::Process;

/// A connection that many requests share. It never connects again by itself, so all that it sees is of one process.
pub(super) struct Link {
    connection: MultiplexedConnection,
    identity: String,
    /// 0, or one more than the epoch that this process is known to hold.
    verified: AtomicU64,
    connections: IntGauge,
}

/// Why there is no link.
#[derive(Debug)]
pub(super) enum LinkError {
    Redis(RedisError),
    /// The server cannot be the cache; it ...
    Unfit(String),
    /// It is another process than the one it was to be.
    Replaced,
    /// None could be made, for a reason of our own.
    NoConnection(String),
}

impl Link {
    /// Connects and checks the server. The driver of the connection runs on the current runtime.
    pub(super) async fn open(
        pool: &Pool,
        process: &Process,
        connections: &IntGauge,
    ) -> Result<Self, LinkError> {
        let created = pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => LinkError::Redis(error),
            other => LinkError::NoConnection(other.to_string()),
        });
        // Ours from here on: the pool only makes connections, it does not lend them.
        let mut connection = Connection::take(created?);
        let info = cmd("INFO").query_async::<String>(&mut connection).await;
        let info = info.map_err(LinkError::Redis)?;
        let info = Info::parse(&info);
        let identity = process.identify(&info)?;
        connections.inc();
        Ok(Self {
            connection,
            identity,
            verified: AtomicU64::new(0),
            connections: connections.clone(),
        })
    }

    /// A handle to send requests by.
    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    /// The process at the other end, as the sentinels of its epochs name it.
    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn is_verified(&self, epoch: u64) -> bool {
        // Epochs are counted from 0: the last is never reached.
        self.verified.load(Ordering::Acquire) == epoch.wrapping_add(1)
    }

    pub(super) fn set_verified(&self, epoch: u64) {
        self.verified
            .store(epoch.wrapping_add(1), Ordering::Release);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.connections.dec();
    }
}

impl LinkError {
    pub(super) fn to_cache_error(&self) -> CacheError {
        match self {
            Self::Redis(error) => error::from_redis(error),
            Self::NoConnection(why) => CacheError::Unreachable(why.clone()),
            Self::Unfit(why) => CacheError::Unfit(why.clone()),
            Self::Replaced => CacheError::Restarted,
        }
    }
}
