//! The only place that knows which backends exist, and in which order the wrappers stand.

use std::sync::Arc;
use std::time::Duration;

use kverse_core::{
    CachedStore, CoalescedStore, Error, GroupCommitStore, KvStore, MemoryCache, MemoryStore,
    ObservedStore, Result, SystemClock,
};

#[cfg(feature = "sqlite")]
use crate::sqlite::{SqliteConfig, SqliteStore};
use crate::tokens::table::TokenTable;
use crate::tokens::{MemoryTokens, StoredTokens, TokenStore};
use crate::{StoreConfig, StoreUrl};

mod backup;
mod migrate;
#[cfg(feature = "postgres")]
mod postgres;
mod start;

pub use self::backup::backup;
pub use self::migrate::{migrate, migrations, revert};

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
    Ok(open_with_tokens(config).await?.store)
}

/// A store with its access tokens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opened {
    /// The store, with everything around it. It asks nobody for a token.
    pub store: Arc<dyn KvStore>,
    /// The tokens that are kept beside it, for those who ask.
    pub tokens: Arc<dyn TokenStore>,
}

impl From<Arc<dyn KvStore>> for Opened {
    /// A store with tokens in memory, by the clock of the machine.
    fn from(store: Arc<dyn KvStore>) -> Self {
        Self {
            store,
            tokens: stored(MemoryTokens::new(Arc::new(SystemClock))),
        }
    }
}

/// As [`open`], with the access tokens of the store: in its database, in memory for `memory:`, or those of the server.
///
/// # Errors
/// As [`open`].
///
/// # Panics
/// As [`open`].
pub async fn open_with_tokens(config: &StoreConfig) -> Result<Opened> {
    // Panics without a timer, here rather than in a task of the first operation, which would only report a timeout.
    drop(tokio::time::sleep(Duration::ZERO));
    let mut opened = start::open(config).await?;
    if let Some(registry) = &config.metrics {
        opened.store = Arc::new(ObservedStore::new(opened.store, registry)?);
    }
    Ok(opened)
}

fn stored(table: impl TokenTable) -> Arc<dyn TokenStore> {
    Arc::new(StoredTokens::new(Arc::new(table)))
}

/// Opens the store, once. A store that is `Unavailable` has no metrics in the registry yet, so that it can be tried again.
#[cfg_attr(
    not(any(feature = "sqlite", feature = "http", feature = "postgres")),
    expect(
        clippy::unused_async,
        reason = "what this build can open is there at once"
    )
)]
async fn open_once(config: &StoreConfig) -> Result<Opened> {
    if config.redis_url.is_some() && !matches!(config.url, StoreUrl::Postgres(_)) {
        let message = format!(
            "{} has no use for a Redis cache: leave the URL of Redis away",
            config.url
        );
        return Err(Error::invalid_input(message));
    }
    match &config.url {
        StoreUrl::Memory => Ok(Opened {
            store: local(memory(config), config)?,
            tokens: stored(MemoryTokens::new(Arc::clone(&config.clock))),
        }),
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => sqlite(SqliteConfig::new(path), config).await,
        #[cfg(feature = "sqlite")]
        StoreUrl::SqliteMemory => sqlite(SqliteConfig::in_memory(), config).await,
        #[cfg(feature = "http")]
        StoreUrl::Http(url) => {
            let options = crate::http::HttpOptions::default()
                .with_limits(config.limits)
                .with_request_timeout(config.request_timeout)
                .with_retries(config.retries)
                .with_token(config.token.clone());
            let store = crate::http::HttpStore::connect(url.clone(), options).await?;
            let store = Arc::new(store);
            Ok(Opened {
                tokens: Arc::<crate::http::HttpStore>::clone(&store),
                store,
            })
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

fn memory(config: &StoreConfig) -> Arc<dyn KvStore> {
    let store = MemoryStore::new(Arc::clone(&config.clock), config.limits);
    if config.change_retention.is_zero() {
        return Arc::new(store.with_changes_kept(0));
    }
    Arc::new(store)
}

#[cfg(feature = "sqlite")]
async fn sqlite(sqlite: SqliteConfig, config: &StoreConfig) -> Result<Opened> {
    let sqlite = sqlite
        .with_limits(config.limits)
        .with_clock(Arc::clone(&config.clock))
        .with_change_retention(config.wanted_retention())
        .with_metrics(config.metrics.clone());
    let sqlite = Arc::new(SqliteStore::open(sqlite).await?);
    Ok(Opened {
        tokens: Arc::new(StoredTokens::new(Arc::<SqliteStore>::clone(&sqlite))),
        store: local(sqlite, config)?,
    })
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
