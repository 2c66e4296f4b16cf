//! Connecting for the first time: what must be right before the cache can be used.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::cached::CacheError;
use kverse_core::{Error, ErrorKind, Result, Timestamp};
use redis::{ConnectionAddr, ConnectionInfo, FromRedisValue, IntoConnectionInfo, RedisError, cmd};

use super::commands::{Command, Request, Scripts};
use super::info::Info;
use super::link::LinkError;
use super::metrics::Metrics;
use super::place::{Place, Process};
use super::server::Server;
use super::{RedisCache, RedisOptions};
use crate::distrust::is_distrust;

impl RedisCache {
    /// How far the clocks of Redis and the database may be apart. Beyond it, entries would outlive their expiry, and
    /// markers the writes that they announce, by too much.
    pub const MAX_CLOCK_OFFSET: Duration = Duration::from_secs(1);

    /// The cache in the Redis server at `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS with the
    /// certificates that the system trusts. Connects when it is first used, or by [`check`](Self::check).
    ///
    /// # Errors
    /// `InvalidInput`, without the password, if the URL or an option is malformed.
    pub fn new(url: &str, options: RedisOptions) -> Result<Self> {
        check_prefix(&options.prefix)?;
        // The crate's own error may repeat a part of the URL.
        let malformed = |_| {
            Error::invalid_input(
                "the URL of Redis is malformed: expected redis://[user:password@]host[:port][/database] or rediss://",
            )
        };
        let info = url.into_connection_info().map_err(malformed)?;
        prepare_tls(&info);
        let place = Place {
            prefix: options.prefix.clone(),
            tag: String::new(),
            process: Process::Any,
        };
        let (metrics, scripts) = (Arc::new(Metrics::new()?), Arc::default());
        Self::at(info, place, options, metrics, scripts)
    }

    /// The cache, or a part of it, in this place.
    pub(super) fn at(
        info: ConnectionInfo,
        place: Place,
        options: RedisOptions,
        metrics: Arc<Metrics>,
        scripts: Arc<Scripts>,
    ) -> Result<Self> {
        let address = info.addr().to_string();
        let server = Server::new(info, place, &options, metrics)
            .map_err(|error| unreachable(&address, &error))?;
        Ok(Self {
            server: Arc::new(server),
            scripts,
            options,
            address,
            sweeping: tokio::sync::Mutex::default(),
        })
    }

    /// The same, connected and checked.
    ///
    /// # Errors
    /// Those of [`new`](Self::new) and [`check`](Self::check).
    pub async fn connect(
        url: &str,
        options: RedisOptions,
        database_now: Timestamp,
    ) -> Result<Self> {
        let cache = Self::new(url, options)?;
        cache.check(database_now).await?;
        Ok(cache)
    }

    /// Connects, and checks that the server can be the cache of a database whose time is `database_now`.
    ///
    /// # Errors
    /// All without the password. `InvalidInput` if the password is refused; `Unavailable` if the server cannot be reached,
    /// which may be retried; `Unsupported` if it cannot be the cache: it is a replica or part of a cluster, it may evict
    /// markers, or its clock is off by more than [`Self::MAX_CLOCK_OFFSET`].
    pub async fn check(&self, database_now: Timestamp) -> Result<()> {
        let start = Instant::now();
        if let Err(error) = self.server.connect().await {
            return Err(refused(&self.address, &error));
        }
        let offset = self
            .clock_offset(database_now.saturating_add(start.elapsed()))
            .await
            .map_err(|error| failed(&self.address, &error))?;
        if offset > Self::MAX_CLOCK_OFFSET {
            let why = format!(
                "has a clock that is {offset:.1?} off that of the database, the limit is {:?}: \
                 set both by NTP",
                Self::MAX_CLOCK_OFFSET
            );
            return Err(unfit(&self.address, why));
        }
        Ok(())
    }

    /// How far the clock of Redis is from that of the database, whose time is `database_now`; up to the time of a round
    /// trip more.
    ///
    /// # Errors
    /// As any command.
    pub async fn clock_offset(&self, database_now: Timestamp) -> Result<Duration, CacheError> {
        let redis_now = self.now().await?;
        let ahead = redis_now.saturating_duration_since(database_now);
        let behind = database_now.saturating_duration_since(redis_now);
        Ok(ahead.max(behind))
    }

    async fn now(&self) -> Result<Timestamp, CacheError> {
        let request = |_: &_| Request::Command(cmd("TIME"));
        let answer = self.server.query_any(Command::Inspect, request).await?;
        let (seconds, micros) = <(u64, u64)>::from_redis_value(answer)
            .map_err(|error| CacheError::Failed(format!("TIME: {error}")))?;
        let micros = seconds.saturating_mul(1_000_000).saturating_add(micros);
        Ok(Timestamp::from_micros(micros))
    }

    /// What the server says of itself must still do; its time.
    pub(super) async fn inspect_server(&self) -> Result<Timestamp, CacheError> {
        let request = |_: &_| Request::Command(cmd("INFO"));
        let answer = self.server.query_any(Command::Inspect, request).await?;
        let info = String::from_redis_value(answer)
            .map_err(|error| CacheError::Failed(format!("INFO: {error}")))?;
        let kind = self.server.place.process.kind();
        Info::parse(&info).check(kind).map_err(CacheError::Unfit)?;
        self.now().await
    }
}

/// TLS needs to know by whom its ciphers are done.
pub(super) fn prepare_tls(info: &ConnectionInfo) {
    if matches!(info.addr(), ConnectionAddr::TcpTls { .. })
        && rustls::crypto::CryptoProvider::get_default().is_none()
    {
        // Refused only if another thread was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// What to say of a server that there is no link to.
pub(super) fn refused(address: &str, error: &LinkError) -> Error {
    match error {
        LinkError::Redis(error) => unreachable(address, error),
        LinkError::Unfit(why) => unfit(address, why),
        LinkError::NoConnection(why) => failed(address, why),
        LinkError::Replaced => failed(address, &CacheError::Restarted),
    }
}

/// A prefix is part of a pattern, and ends at the first colon.
pub(super) fn check_prefix(prefix: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !(1..=64).contains(&prefix.len()) || !prefix.bytes().all(is_plain) {
        return Err(Error::invalid_input(format!(
            "`{prefix}` cannot be the prefix of keys in Redis: expected 1 to 64 letters, digits, `_`, `-` or `.`"
        )));
    }
    Ok(())
}

/// Whether trying again may help.
pub(super) fn unreachable_now(error: &RedisError) -> bool {
    !is_denied(error) && !is_distrust(error)
}

fn is_denied(error: &RedisError) -> bool {
    error.kind() == redis::ErrorKind::AuthenticationFailed
        || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"))
}

fn unreachable(address: &str, error: &RedisError) -> Error {
    let (kind, message) = if is_denied(error) {
        let message = format!(
            "Redis at {address} refused access: check user and password of its URL, and that the user may run INFO, \
             TIME, SCAN, UNLINK, scripts, and in a cluster CLUSTER"
        );
        (ErrorKind::InvalidInput, message)
    } else if is_distrust(error) {
        let message = format!("Redis at {address} is not trusted: {error}");
        (ErrorKind::InvalidInput, message)
    } else {
        let message = format!("cannot reach Redis at {address}: {error}");
        (ErrorKind::Unavailable, message)
    };
    Error::new(kind, message).with_source(error.clone())
}

pub(super) fn failed(address: &str, error: &impl fmt::Display) -> Error {
    let message = format!("Redis at {address} failed: {error}");
    Error::new(ErrorKind::Unavailable, message)
}

fn unfit(address: &str, why: impl fmt::Display) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("Redis at {address} cannot be the cache: it {why}"),
    )
}
