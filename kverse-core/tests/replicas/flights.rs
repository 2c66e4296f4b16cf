//! Many readers of one key that is not cached.

use std::sync::Arc;

use kverse_core::{CacheStatus, KvStoreExt};
use tokio::task::JoinSet;

use crate::replica::{Replica, key, replicas};

async fn read_a_thousand_times(replica: &Replica) -> Vec<(Option<bytes::Bytes>, CacheStatus)> {
    let mut readers = JoinSet::new();
    for _ in 0..1000 {
        let store = Arc::clone(&replica.store);
        readers.spawn(async move {
            let read = store.lookup(&key("a")).await.unwrap();
            (read.entry.map(|entry| entry.value), read.cache)
        });
    }
    readers.join_all().await
}

fn database_reads(replica: &Replica) -> u64 {
    let reads = replica.links.database_reads.lock().unwrap();
    reads.get(&key("a")).copied().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_of_a_missing_key_cause_one_read_of_the_database() {
    let (_world, [a]) = replicas().await;
    let found = read_a_thousand_times(&a).await;
    assert!(found.iter().all(|(value, _)| value.is_none()));
    assert_eq!(database_reads(&a), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_of_a_cold_key_cause_one_read_of_the_database() {
    let (world, [a]) = replicas().await;
    world.database.put(&key("a"), "1").await.unwrap();
    let found = read_a_thousand_times(&a).await;
    assert!(
        found
            .iter()
            .all(|(value, cache)| value.as_deref() == Some(b"1") && *cache != CacheStatus::Off)
    );
    assert_eq!(database_reads(&a), 1);
}
