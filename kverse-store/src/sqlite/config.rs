//! How to open an SQLite store.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kverse_core::{Clock, Limits, SystemClock};
use prometheus::Registry;

use crate::feed::DEFAULT_RETENTION;

/// How to open a [`SqliteStore`](super::SqliteStore).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SqliteConfig {
    /// The database file, made if it is not there; `None`: in memory, gone with the store.
    pub path: Option<PathBuf>,
    /// The limits that the store enforces.
    pub limits: Limits,
    /// The source of "now" for versions and expiry. Default: the machine's clock.
    pub clock: Arc<dyn Clock>,
    /// How many connections read, which is how many reads run at once. At least 1, default 4. In memory there is one
    /// connection for reads and writes.
    pub readers: u32,
    /// How long the tombstone of a deleted key is kept. Default 24 hours.
    pub tombstone_retention: Duration,
    /// How often expired entries and old tombstones are looked for. Default 60 seconds.
    pub sweep_interval: Duration,
    /// How long the feed of changes keeps them, unless a million commits followed; zero switches the feed off, and when it is
    /// switched on again it begins anew. Default 1 hour. `None`: as who opened the file before.
    pub change_retention: Option<Duration>,
    /// How large the database file may grow, in bytes; writes beyond are refused with `StorageFull`. The write-ahead log
    /// beside it, up to 64 MiB, is not counted. Default: as large as the disk allows.
    pub max_bytes: Option<u64>,
    /// Where the store registers its metrics. Default: nowhere.
    pub metrics: Option<Registry>,
}

impl SqliteConfig {
    /// The database in this file, with the defaults.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: Some(path.into()),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            readers: 4,
            tombstone_retention: Duration::from_secs(24 * 60 * 60),
            sweep_interval: Duration::from_secs(60),
            change_retention: Some(DEFAULT_RETENTION),
            max_bytes: None,
            metrics: None,
        }
    }

    /// A database in memory, with the defaults.
    pub fn in_memory() -> Self {
        Self {
            path: None,
            ..Self::new("")
        }
    }

    /// The same with these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same with this many connections that read.
    #[must_use]
    pub fn with_readers(mut self, readers: u32) -> Self {
        self.readers = readers;
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

    /// The same, growing at most this large.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: Option<u64>) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The same with metrics registered here.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Option<Registry>) -> Self {
        self.metrics = metrics;
        self
    }

    /// The same, keeping changes this long.
    #[must_use]
    pub fn with_change_retention(mut self, retention: Option<Duration>) -> Self {
        self.change_retention = retention;
        self
    }
}
