//! A program whose data others share: PostgreSQL keeps it, Redis serves the reads, and no read is older than the last write.
//!
//! ```text
//! DATABASE_URL=postgresql://kverse@127.0.0.1/kverse REDIS_URL=redis://127.0.0.1 \
//!   cargo run -p kverse-store --all-features --example replicas
//! ```

use std::sync::Arc;

use kverse_core::{CacheStatus, Entry, ErrorKind, Key, KvStore, KvStoreExt, Result};
use kverse_store::{StoreConfig, open};

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let (database_url, redis_url) = (std::env::var("DATABASE_URL")?, std::env::var("REDIS_URL")?);
    run(&database_url, &redis_url).await?;
    Ok(())
}

/// One of the programs. They need nothing but the same two URLs.
async fn replica(database_url: &str, redis_url: &str) -> Result<Arc<dyn KvStore>> {
    let config = StoreConfig::new(database_url.parse()?).with_redis_url(Some(redis_url.parse()?));
    open(&config).await
}

/// Two replicas at work; how many visits they counted.
pub(crate) async fn run(database_url: &str, redis_url: &str) -> Result<u64> {
    let here = replica(database_url, redis_url).await?;
    let there = replica(database_url, redis_url).await?;

    // Each sees at once what the other has written, from the cache too.
    let key: Key = "greeting".parse()?;
    for text in ["hello", "hello again"] {
        here.put(&key, text).await?;
        let read = there.lookup(&key).await?;
        let value = read.entry.map(|entry| entry.value).unwrap_or_default();
        assert_eq!(value, text);
        let from = match read.cache {
            CacheStatus::Hit => "the cache",
            CacheStatus::Miss | CacheStatus::Bypass | CacheStatus::Off => "the database",
        };
        println!("{text:?}, from {from}");
    }

    // Both count the same visits, and none is lost: whoever comes too late tries again.
    let visits: Key = "visits".parse()?;
    for _ in 0..10 {
        let (a, b) = tokio::join!(
            here.update(&visits, increment),
            there.update(&visits, increment)
        );
        a?;
        b?;
    }
    let counted = count(there.get(&visits).await?.as_ref());
    println!("{counted} visits");

    // Only one of them gets the lock.
    let lock: Key = "lock".parse()?;
    here.delete(&lock).await?;
    let (a, b) = tokio::join!(
        here.compare_and_swap(&lock, None, "here"),
        there.compare_and_swap(&lock, None, "there")
    );
    for taken in [a, b] {
        match taken {
            Ok(_) => println!("locked"),
            Err(error) if error.kind() == ErrorKind::PreconditionFailed => println!("{error}"),
            Err(error) => return Err(error),
        }
    }
    Ok(counted)
}

fn increment(entry: Option<&Entry>) -> Option<bytes::Bytes> {
    Some((count(entry) + 1).to_string().into())
}

fn count(entry: Option<&Entry>) -> u64 {
    entry
        .and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok())
        .unwrap_or(0)
}
