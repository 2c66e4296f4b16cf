//! The only place that knows which backends exist, and in which order the wrappers stand.

use std::sync::Arc;
use std::time::Duration;

use kverse_core::{
    CachedStore, CoalescedStore, Error, GroupCommitStore, KvStore, MemoryCache, MemoryStore,
    ObservedStore, Result,
};

#[cfg(feature = "sqlite")]
use crate::sqlite::{SqliteConfig, SqliteStore};
use crate::{StoreConfig, StoreUrl};

mod migrate;
#[cfg(feature = "postgres")]
mod postgres;
mod start;

pub use self::migrate::{migrate, migrations};

/// How many reads a backend is asked for at the same time; what arrives meanwhile is read together.
pub(crate) const READS_IN_FLIGHT: usize = 4;

/// Opens a store with everything around it, from the outside in: metrics (if the configuration has a registry), group
/// commit, the in-process cache, read coalescing, the backend. A remote KVerse has all of that on its side: it only gets
/// the metrics. PostgreSQL, which others may write too, has no cache in the process, but Redis if the configuration names
/// one.
///
/// Must be used within a tokio runtime that has everything enabled (`enable_all`, or `#[tokio::main]`): SQLite waits with a
/// time limit, HTTP needs time and I/O.
///
/// ```
/// # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
/// use kverse_core::KvStoreExt;
/// use kverse_store::{StoreConfig, open};
///
/// let store = open(&StoreConfig::new("sqlite::memory:".parse()?)).await?;
/// store.put(&"greeting".parse()?, "hello").await?;
/// # Ok::<(), kverse_core::Error>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `Unavailable` if the store could not be reached within [`StoreConfig::start_timeout`], which may be retried;
/// `Unsupported` if the backend was not compiled in; `Internal` if the registry has the store's metrics already; else what
/// the backend says.
///
/// # Panics
/// Outside a tokio runtime, or in one without time.
pub async fn open(config: &StoreConfig) -> Result<Arc<dyn KvStore>> {
    // Panics without a timer, here rather than in a task of the first operation, which would only report a timeout.
    drop(tokio::time::sleep(Duration::ZERO));
    let store = start::open(config).await?;
    match &config.metrics {
        Some(registry) => Ok(Arc::new(ObservedStore::new(store, registry)?)),
        None => Ok(store),
    }
}

/// Opens the store, once. A store that is `Unavailable` has no metrics in the registry yet, so that it can be tried again.
#[cfg_attr(
    not(any(feature = "sqlite", feature = "http", feature = "postgres")),
    expect(
        clippy::unused_async,
        reason = "what this build can open is there at once"
    )
)]
async fn open_once(config: &StoreConfig) -> Result<Arc<dyn KvStore>> {
    if config.redis_url.is_some() && !matches!(config.url, StoreUrl::Postgres(_)) {
        let message = format!(
            "{} has no use for a Redis cache: leave the URL of Redis away",
            config.url
        );
        return Err(Error::invalid_input(message));
    }
    match &config.url {
        StoreUrl::Memory => local(
            Arc::new(MemoryStore::new(Arc::clone(&config.clock), config.limits)),
            config,
        ),
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => local(sqlite(SqliteConfig::new(path), config).await?, config),
        #[cfg(feature = "sqlite")]
        StoreUrl::SqliteMemory => local(sqlite(SqliteConfig::in_memory(), config).await?, config),
        #[cfg(feature = "http")]
        StoreUrl::Http(url) => {
            let options = crate::http::HttpOptions::default()
                .with_limits(config.limits)
                .with_request_timeout(config.request_timeout)
                .with_retries(config.retries);
            Ok(Arc::new(
                crate::http::HttpStore::connect(url.clone(), options).await?,
            ))
        }
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => postgres::open(url.clone(), config).await,
        #[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "http")))]
        url => {
            let message = format!("this build has no backend for {url}");
            Err(kverse_core::Error::new(
                kverse_core::ErrorKind::Unsupported,
                message,
            ))
        }
    }
}

#[cfg(feature = "sqlite")]
async fn sqlite(sqlite: SqliteConfig, config: &StoreConfig) -> Result<Arc<SqliteStore>> {
    let sqlite = sqlite
        .with_limits(config.limits)
        .with_clock(Arc::clone(&config.clock))
        .with_metrics(config.metrics.clone());
    Ok(Arc::new(SqliteStore::open(sqlite).await?))
}

/// A backend that only this process writes, with cache and group commit in front.
fn local(backend: Arc<dyn KvStore>, config: &StoreConfig) -> Result<Arc<dyn KvStore>> {
    let mut store: Arc<dyn KvStore> = Arc::new(CoalescedStore::new(backend, READS_IN_FLIGHT));
    let metrics = config.metrics.as_ref();
    if config.cache_bytes > 0 {
        let cache = Arc::new(MemoryCache::new(config.cache_bytes));
        if let Some(registry) = metrics {
            cache.register(registry)?;
        }
        store = Arc::new(CachedStore::new(cache, store, Arc::clone(&config.clock))?);
    }
    Ok(Arc::new(GroupCommitStore::new(store, metrics)?))
}
