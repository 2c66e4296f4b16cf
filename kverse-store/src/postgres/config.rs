//! How to open a PostgreSQL store.

use std::time::Duration;

use kverse_core::Limits;

use crate::DatabaseUrl;
use crate::feed::DEFAULT_RETENTION;

/// How to open a [`PostgresStore`](super::PostgresStore).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PostgresConfig {
    /// Where the database is.
    pub url: DatabaseUrl,
    /// The limits that the store enforces.
    pub limits: Limits,
    /// The most connections at a time. At least 1, default 16.
    pub max_connections: usize,
    /// How long an operation may wait for a connection, and a new connection for the database. Default 5 seconds.
    pub connection_wait: Duration,
    /// How long a statement may run, waits for locks included. Default 3 seconds. An answer is waited for 2 seconds longer.
    pub statement_timeout: Duration,
    /// How long after a write was accepted it may still begin to be stored. Default 3 seconds.
    ///
    /// Together with `statement_timeout` and `idle_timeout` this bounds how late a write can be stored: a shared cache
    /// in front of the store relies on that.
    pub write_fence: Duration,
    /// How long the database waits for the next statement of a transaction before it ends it. Default 2 seconds.
    pub idle_timeout: Duration,
    /// How long the tombstone of a deleted key is kept. Default 24 hours.
    pub tombstone_retention: Duration,
    /// How often expired entries and old tombstones are looked for, by one of all replicas. Default 60 seconds.
    pub sweep_interval: Duration,
    /// How long the feed of changes keeps them, unless a million commits followed; zero switches the feed off. All who use
    /// the database must agree on whether there is one: who opens it otherwise begins it anew. Default 1 hour. `None`: as
    /// those who opened it before.
    pub change_retention: Option<Duration>,
}

impl PostgresConfig {
    /// The database at this URL, with the defaults.
    pub fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            limits: Limits::default(),
            max_connections: 16,
            connection_wait: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(3),
            write_fence: Duration::from_secs(3),
            idle_timeout: Duration::from_secs(2),
            tombstone_retention: Duration::from_secs(24 * 60 * 60),
            sweep_interval: Duration::from_secs(60),
            change_retention: Some(DEFAULT_RETENTION),
        }
    }

    /// The same with these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with at most this many connections.
    #[must_use]
    pub fn with_max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// The same, waiting this long for a connection.
    #[must_use]
    pub fn with_connection_wait(mut self, wait: Duration) -> Self {
        self.connection_wait = wait;
        self
    }

    /// The same with statements that may run this long.
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }

    /// The same with writes that begin at most this late.
    #[must_use]
    pub fn with_write_fence(mut self, fence: Duration) -> Self {
        self.write_fence = fence;
        self
    }

    /// The same, keeping tombstones this long.
    #[must_use]
    pub fn with_tombstone_retention(mut self, retention: Duration) -> Self {
        self.tombstone_retention = retention;
        self
    }

    /// The same, sweeping this often.
    #[must_use]
    pub fn with_sweep_interval(mut self, interval: Duration) -> Self {
        self.sweep_interval = interval;
        self
    }

    /// The same, keeping changes this long.
    #[must_use]
    pub fn with_change_retention(mut self, retention: Option<Duration>) -> Self {
        self.change_retention = retention;
        self
    }
}
