//! What to open, and how.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use kverse_core::{Clock, Error, Limits, Result, SystemClock};
use prometheus::Registry;
use url::Url;

use crate::tokens::BearerToken;
use crate::{DatabaseUrl, RedisUrl};

/// Where a store is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreUrl {
    /// `memory:`: in this process, gone with it.
    Memory,
    /// `sqlite:PATH` or `sqlite://PATH`: an SQLite file, made if it is not there.
    Sqlite(PathBuf),
    /// `sqlite::memory:`: SQLite without a file, gone with the process.
    SqliteMemory,
    /// `postgresql://USER:PASSWORD@HOST/DATABASE`, or `postgres://…`: a PostgreSQL database, which several processes may
    /// share.
    Postgres(DatabaseUrl),
    /// `http://HOST` or `https://HOST`: a KVerse server.
    Http(Url),
}

impl FromStr for StoreUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme {
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "sqlite" if rest == ":memory:" => Ok(Self::SqliteMemory),
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() {
                    return Err(Error::invalid_input(
                        "`sqlite:` needs the path of a file, for example sqlite:kverse.db",
                    ));
                }
                Ok(Self::Sqlite(path.into()))
            }
            "postgresql" | "postgres" => text.parse().map(Self::Postgres),
            "http" | "https" => Url::parse(text).map(Self::Http).map_err(|error| {
                Error::invalid_input(format!("the store's URL is malformed: {error}"))
                    .with_source(error)
            }),
            // Not echoed: it may hold a password.
            _ => Err(Error::invalid_input(
                "unknown kind of store: expected sqlite:PATH, sqlite::memory:, postgresql://HOST/DATABASE, memory:, http://HOST or https://HOST",
            )),
        }
    }
}

impl fmt::Display for StoreUrl {
    /// The URL without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::SqliteMemory => f.write_str("sqlite::memory:"),
            Self::Postgres(url) => url.fmt(f),
            Self::Http(url) => without_password(url).fmt(f),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

pub(crate) fn without_password(url: &Url) -> Url {
    let mut shown = url.clone();
    if shown.password().is_some() {
        // Refused only by URLs without a host, which have no password.
        let _ = shown.set_password(Some("***"));
    }
    shown
}

/// How to open a store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoreConfig {
    /// Where it is.
    pub url: StoreUrl,
    /// The limits that it enforces; a remote store enforces its own.
    pub limits: Limits,
    /// The Redis server or cluster that caches for all who use the same PostgreSQL database, all of whom must be given it. Default:
    /// none. Other stores have no use for it.
    pub redis_url: Option<RedisUrl>,
    /// The token to show to a KVerse server. Default: none. Other stores ask for none.
    pub token: Option<BearerToken>,
    /// For a process that is there for a moment only: it is refused if it cannot reach a Redis that others use, instead of
    /// switching it off for all of them. Default: no.
    pub guest: bool,
    /// For how long an `Unavailable` store is tried again when it is opened. Default 0: not at all.
    pub start_timeout: Duration,
    /// How long a request to a remote server may take, retries included. Default 30 seconds. Databases have limits of their
    /// own.
    pub request_timeout: Duration,
    /// How often a request to a remote server that surely had no effect is tried again: at most 2 times, the default.
    pub retries: usize,
    /// How many bytes the in-process cache may hold; 0 switches it off. Default 64 MiB.
    pub cache_bytes: u64,
    /// How long the feed of changes keeps them, unless a million commits followed (in memory: 65,536 changes); zero switches
    /// the feed off. All who open the same database must agree on whether there is one; a [`guest`](Self::guest) does as
    /// the others. Default 1 hour.
    pub change_retention: Duration,
    /// The source of "now" for versions and expiry. Default: the machine's clock. PostgreSQL uses its own.
    pub clock: Arc<dyn Clock>,
    /// Where the store registers its metrics. Default: nowhere.
    pub metrics: Option<Registry>,
}

impl StoreConfig {
    /// The default of [`cache_bytes`](Self::cache_bytes): 64 MiB.
    pub const DEFAULT_CACHE_BYTES: u64 = 64 << 20;
    /// The default of [`change_retention`](Self::change_retention): 1 hour.
    pub const DEFAULT_CHANGE_RETENTION: Duration = Duration::from_secs(60 * 60);

    /// The store at `url` with the defaults.
    pub fn new(url: StoreUrl) -> Self {
        Self {
            url,
            limits: Limits::default(),
            redis_url: None,
            token: None,
            guest: false,
            start_timeout: Duration::ZERO,
            request_timeout: Duration::from_secs(30),
            retries: 2,
            cache_bytes: Self::DEFAULT_CACHE_BYTES,
            change_retention: Self::DEFAULT_CHANGE_RETENTION,
            clock: Arc::new(SystemClock),
            metrics: None,
        }
    }

    /// The same with these limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same with this shared cache.
    #[must_use]
    pub fn with_redis_url(mut self, redis_url: Option<RedisUrl>) -> Self {
        self.redis_url = redis_url;
        self
    }

    /// The same with this token for a KVerse server.
    #[must_use]
    pub fn with_token(mut self, token: Option<BearerToken>) -> Self {
        self.token = token;
        self
    }

    /// The same for a process that is there for a moment, or stays.
    #[must_use]
    pub fn with_guest(mut self, guest: bool) -> Self {
        self.guest = guest;
        self
    }

    /// The same, trying for so long.
    #[must_use]
    pub fn with_start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// The same, waiting so long for a remote server.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// The same with this many retries.
    #[must_use]
    pub fn with_retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }

    /// The same with this much cache.
    #[must_use]
    pub fn with_cache_bytes(mut self, cache_bytes: u64) -> Self {
        self.cache_bytes = cache_bytes;
        self
    }

    /// The same, keeping changes this long.
    #[must_use]
    pub fn with_change_retention(mut self, retention: Duration) -> Self {
        self.change_retention = retention;
        self
    }

    /// What a database that remembers whether it has a feed is told about it.
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn wanted_retention(&self) -> Option<Duration> {
        (!self.guest).then_some(self.change_retention)
    }

    /// The same with this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The same with metrics registered here.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Registry) -> Self {
        self.metrics = Some(metrics);
        self
    }
}
