//! What the tests share.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::{Error, Key, Precondition, PutOptions};
use kverse_store::postgres::{PostgresConfig, PostgresStore};
use tokio::time::sleep;

pub(crate) fn key(text: impl std::fmt::Display) -> Key {
    text.to_string().parse().unwrap()
}

pub(crate) fn config(url: &str) -> PostgresConfig {
    PostgresConfig::new(url.parse().unwrap())
}

pub(crate) async fn open(url: &str) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::open(config(url)).await.unwrap())
}

/// Does something until it works, for at most half a minute.
pub(crate) async fn until_ok<T>(work: impl AsyncFn() -> Result<T, Error>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match work().await {
            Ok(done) => return done,
            Err(error) if Instant::now() < deadline => {
                assert!(error.is_retryable(), "{error:?}");
                sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("not recovered: {error:?}"),
        }
    }
}

pub(crate) fn exists() -> PutOptions {
    PutOptions::default().with_precondition(Precondition::Exists)
}
