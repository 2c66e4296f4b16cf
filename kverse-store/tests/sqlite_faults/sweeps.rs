//! Expired entries, tombstones, and versions when the clock goes back.

use std::time::{Duration, Instant};

use diesel::connection::{Connection, SimpleConnection};
use diesel::sqlite::SqliteConnection;
use kverse_core::{KvStore, KvStoreExt, PutOptions, Timestamp, Write};
use kverse_store::sqlite::SqliteStore;

use crate::fixture::{Fixture, key};

#[tokio::test]
async fn versions_grow_across_a_restart_with_a_clock_that_went_back() {
    let fixture = Fixture::new();
    let (kept, deleted) = (key("kept"), key("deleted"));
    let store = fixture.open().await;
    let mut last = store.put(&kept, "1").await.unwrap().version;
    store.put(&deleted, "1").await.unwrap();
    let deleted_at = store
        .write_one(Write::delete(deleted.clone()))
        .await
        .unwrap()
        .version;
    drop(store);
    for hours in 1..4 {
        let now = Timestamp::from_micros(1_000_000_000_000_000);
        fixture
            .clock
            .set(now.saturating_sub(Duration::from_secs(hours * 3600)));
        let store = fixture.open().await;
        assert_eq!(store.get(&kept).await.unwrap().unwrap().version, last);
        let version = store.put(&kept, "2").await.unwrap().version;
        assert!(version > last);
        last = version;
    }
    let store = fixture.open().await;
    assert!(store.put(&deleted, "2").await.unwrap().version > deleted_at);
}

#[tokio::test]
async fn expired_entries_become_tombstones_and_tombstones_are_removed() {
    const HOUR: Duration = Duration::from_secs(3600);
    let fixture = Fixture::new();
    // Only when told to.
    let config = fixture.config().with_sweep_interval(Duration::MAX);
    let store = SqliteStore::open(config).await.unwrap();
    let ttl = PutOptions::default().with_ttl(HOUR);
    // More than one step of a sweep.
    let writes = |range: std::ops::Range<u32>| {
        range.map(|number| Write::put(key(number), "value").with_options(ttl.clone()))
    };
    store.write(writes(0..600).collect()).await.unwrap();
    store.put(&key("stays"), "value").await.unwrap();
    let sweep = async || {
        let swept = store.sweep().await.unwrap();
        (swept.expired, swept.removed)
    };
    assert_eq!(sweep().await, (0, 0));
    assert_eq!(store.stats().await.unwrap().items, 601);

    fixture.clock.advance(HOUR);
    assert_eq!(store.stats().await.unwrap().items, 1);
    // One that comes back before the sweep.
    assert!(!store.put(&key(7), "again").await.unwrap().existed);
    assert_eq!(store.stats().await.unwrap().items, 2);
    assert_eq!(sweep().await, (599, 0));
    assert_eq!(store.stats().await.unwrap().items, 2);

    let before = store.put(&key("stays"), "2").await.unwrap().version;
    fixture.clock.advance(24 * HOUR);
    assert_eq!(sweep().await, (0, 0), "kept for exactly 24 hours");
    fixture.clock.advance(Duration::from_micros(1));
    assert_eq!(sweep().await, (0, 599));
    assert_eq!(store.stats().await.unwrap().items, 2);
    assert!(store.put(&key(8), "new").await.unwrap().version > before);
    drop(store);
    assert_eq!(fixture.open().await.stats().await.unwrap().items, 3);
}

#[tokio::test]
async fn the_writer_sweeps_by_itself() {
    let fixture = Fixture::new();
    let config = fixture
        .config()
        .with_sweep_interval(Duration::from_millis(1));
    let store = SqliteStore::open(config).await.unwrap();
    let ttl = PutOptions::default().with_ttl(Duration::from_secs(1));
    let first = store.put_opts(&key("a"), "1", ttl).await.unwrap().version;
    fixture.clock.advance(Duration::from_secs(2));
    // A delete of what does not exist tells the version of the tombstone, which only the sweep has raised.
    let swept = async {
        loop {
            let delete = store.write_one(Write::delete(key("a"))).await.unwrap();
            if delete.version > first {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), swept)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_sweep_goes_on_while_nothing_is_asked() {
    const ENTRIES: usize = 1000;
    const HOUR: Duration = Duration::from_secs(3600);
    let fixture = Fixture::new();
    let config = fixture.config().with_sweep_interval(HOUR);
    let store = SqliteStore::open(config).await.unwrap();
    let ttl = PutOptions::default().with_ttl(HOUR);
    let put = |number| Write::put(key(number), "value").with_options(ttl.clone());
    store.write((0..ENTRIES).map(put).collect()).await.unwrap();
    fixture.clock.advance(2 * HOUR);
    // After this the writer hears nothing more: another connection looks.
    store.stats().await.unwrap();
    let mut other = SqliteConnection::establish(fixture.path().to_str().unwrap()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        // Fails while an entry is left.
        let swept = other.batch_execute(
            "CREATE TEMP TABLE IF NOT EXISTS swept (entries CHECK (entries = 0));
             INSERT INTO swept SELECT count(value) FROM kv",
        );
        match swept {
            Ok(()) => return,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}
