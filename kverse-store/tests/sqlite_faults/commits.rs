//! Commits that writers share, writes that nobody waits for, and the write-ahead log.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use kverse_core::{Key, KvStore, KvStoreExt, Write};
use kverse_store::sqlite::SqliteStore;
use prometheus::Registry;

use crate::fixture::{Fixture, key};

fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

fn commits_and_operations(registry: &Registry) -> (u64, f64) {
    let families = registry.gather();
    let family = families
        .iter()
        .find(|family| family.name() == "kverse_sqlite_commit_operations")
        .unwrap();
    let histogram = family.get_metric()[0].get_histogram();
    (histogram.get_sample_count(), histogram.get_sample_sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writes_share_commits() {
    const WRITERS: usize = 64;
    const WRITES: usize = 20;
    let fixture = Fixture::new();
    let registry = Registry::new();
    let config = fixture.config().with_metrics(Some(registry.clone()));
    let store = Arc::new(SqliteStore::open(config).await.unwrap());
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..WRITES {
                let key = key(format!("{writer}/{number}"));
                store.put(&key, "value").await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let (commits, operations) = commits_and_operations(&registry);
    assert_eq!(operations, (WRITERS * WRITES) as f64);
    assert!(
        commits < (WRITERS * WRITES) as u64 / 4,
        "{commits} commits of {operations} writes"
    );
    let items = store.stats().await.unwrap().items;
    assert_eq!(items, (WRITERS * WRITES) as u64);
}

#[tokio::test]
async fn a_dropped_write_is_done_whole_or_not_at_all() {
    use std::future::Future;
    use std::task::{Context, Waker};

    let fixture = Fixture::new();
    let store = fixture.open().await;
    for round in 0..50 {
        let writes = (0..10).map(|number| Write::put(key(number), format!("{round}")));
        let mut write = Box::pin(store.write(writes.collect()));
        // Polled once, so that it is in the queue, and dropped.
        let mut context = Context::from_waker(Waker::noop());
        let _ = write.as_mut().poll(&mut context);
        drop(write);
        let keys: Vec<Key> = (0..10).map(key).collect();
        let read = store.read(&keys).await.unwrap();
        let value = |index: usize| read[index].entry.as_ref().map(|entry| entry.value.clone());
        for index in 0..10 {
            assert_eq!(value(index), value(0), "round {round}");
        }
    }
}

#[tokio::test]
async fn dropping_the_store_does_what_was_accepted_and_tidies_up() {
    use std::future::Future;
    use std::task::{Context, Waker};

    let fixture = Fixture::new();
    let store = fixture.open().await;
    let a = key("a");
    let mut write = Box::pin(store.put(&a, "1"));
    let mut context = Context::from_waker(Waker::noop());
    let _ = write.as_mut().poll(&mut context);
    drop(write);
    drop(store);
    for suffix in ["-wal", "-shm"] {
        let path = fixture.directory.path().join(format!("kverse.db{suffix}"));
        assert!(!path.exists(), "{suffix} is left");
    }
    let store = fixture.open().await;
    assert_eq!(store.get(&a).await.unwrap().unwrap().value, "1");
}

#[tokio::test]
async fn the_log_stays_bounded_under_writes_and_reads() {
    const VALUE_BYTES: usize = 256 << 10;
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let wal = fixture.directory.path().join("kverse.db-wal");
    let mut longest = 0;
    // 256 MiB in all, over the same 16 keys.
    for round in 0..64 {
        let writes = (0..16).map(|number| Write::put(key(number), vec![round; VALUE_BYTES]));
        let keys: Vec<Key> = (0..16).map(key).collect();
        let (written, read) = tokio::join!(store.write(writes.collect()), store.read(&keys));
        assert!(written.unwrap().iter().all(Result::is_ok));
        read.unwrap();
        longest = longest.max(file_bytes(&wal));
    }
    assert!(longest > 4 << 20, "the test writes to {}", wal.display());
    assert!(longest <= 80 << 20, "{longest} bytes");
}
