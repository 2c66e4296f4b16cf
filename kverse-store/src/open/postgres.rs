//! PostgreSQL, with Redis in front if there is one.

use std::sync::Arc;

use kverse_core::cached::Mode;
use kverse_core::{CoalescedStore, Error, ErrorKind, GroupCommitStore, KvStore, Result};

use super::{Opened, READS_IN_FLIGHT};
#[cfg(feature = "redis")]
use crate::RedisUrl;
use crate::postgres::{PostgresConfig, PostgresStore};
use crate::tokens::StoredTokens;
use crate::{DatabaseUrl, StoreConfig};

/// How often the cache is compared with the database, and how many keys at a time.
#[cfg(feature = "redis")]
const SAMPLES: (std::time::Duration, usize) = (std::time::Duration::from_secs(5), 16);

pub(super) async fn open(url: DatabaseUrl, config: &StoreConfig) -> Result<Opened> {
    let postgres = PostgresConfig::new(url)
        .with_limits(config.limits)
        .with_change_retention(config.wanted_retention());
    let postgres = Arc::new(PostgresStore::open(postgres).await?);
    let tokens = Arc::new(StoredTokens::new(Arc::<PostgresStore>::clone(&postgres)));
    let store = match &config.redis_url {
        None => uncached(postgres, config).await,
        #[cfg(feature = "redis")]
        Some(redis) => cached(postgres, redis, config).await,
        #[cfg(not(feature = "redis"))]
        Some(redis) => {
            let message = format!("this build has no cache for {redis}");
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }?;
    Ok(Opened { store, tokens })
}

/// Writes share commits, reads share queries. Called when nothing can be unavailable any more: what is in the registry once cannot be registered
/// by another attempt.
fn grouped(postgres: Arc<PostgresStore>, config: &StoreConfig) -> Result<Arc<dyn KvStore>> {
    if let Some(registry) = &config.metrics {
        postgres.register(registry)?;
    }
    let coalesced = Arc::new(CoalescedStore::new(postgres, READS_IN_FLIGHT));
    let grouped = GroupCommitStore::new(coalesced, config.metrics.as_ref())?;
    Ok(Arc::new(grouped))
}

/// The database alone, which must not be written past a cache that others read.
async fn uncached(postgres: Arc<PostgresStore>, config: &StoreConfig) -> Result<Arc<dyn KvStore>> {
    if postgres.mode_register()?.recorded().await? != Mode::Off {
        let message = format!(
            "{postgres} is cached by Redis: give the URL of that Redis, or others would read what is out of date"
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    grouped(postgres, config)
}

#[cfg(feature = "redis")]
async fn cached(
    postgres: Arc<PostgresStore>,
    redis: &RedisUrl,
    config: &StoreConfig,
) -> Result<Arc<dyn KvStore>> {
    use kverse_core::CachedStore;
    use kverse_core::cached::{ModeRegister, ReplicatedCache, Timing};

    use crate::redis::{ConfiguredCache, RedisOptions};

    let register = postgres.mode_register()?;
    // Databases that share a Redis must not serve each other's values.
    let prefix = format!("kv-{}", postgres.identity().await?);
    let options = RedisOptions::default().with_prefix(prefix);
    let cache = ConfiguredCache::new(redis, options)?;
    match cache.check(postgres.now().await?).await {
        // Nobody is harmed: the cache is not used, or the database is asked to switch it off.
        Err(error) if error.kind() == ErrorKind::Unavailable => {
            if config.guest && register.read().await?.mode != Mode::Off {
                return Err(error);
            }
            tracing::warn!(
                %error,
                "starting without the cache: it is used as soon as it can be reached and is fit"
            );
        }
        checked => checked?,
    }
    let metrics = config.metrics.as_ref();
    if let Some(registry) = metrics {
        cache.register(registry)?;
    }
    let cache = ReplicatedCache::start(
        cache.into_cache(),
        Arc::new(register),
        Timing::default(),
        metrics,
    )?;
    let clock = postgres.clock();
    let store = CachedStore::new(Arc::new(cache), grouped(postgres, config)?, clock)?;
    let (interval, sample) = SAMPLES;
    Ok(Arc::new(store.with_sampling(interval, sample, metrics)?))
}
