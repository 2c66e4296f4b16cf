//! The feed of changes: compaction, and switching it off.

use std::time::Duration;

use kverse_core::{ChangesOptions, ErrorKind, KvStore, KvStoreExt, Prefix};
use kverse_store::sqlite::SqliteStore;

use crate::fixture::{Fixture, key};

const HOUR: Duration = Duration::from_secs(3600);

fn all() -> ChangesOptions {
    ChangesOptions::new(Prefix::default()).with_limit(1000)
}

#[tokio::test]
async fn what_is_compacted_is_gone_and_what_follows_is_not() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let start = store.changes(all()).await.unwrap().position;
    // More than one step of a sweep.
    for number in 0..300 {
        store.put(&key(number), "value").await.unwrap();
    }
    let page = store.changes(all().with_since(Some(start))).await.unwrap();
    assert_eq!(page.changes.len(), 300);
    fixture.clock.advance(HOUR);
    assert_eq!(
        store.sweep().await.unwrap().compacted,
        0,
        "kept for an hour"
    );
    fixture.clock.advance(Duration::from_micros(1));
    // The store sweeps by itself, too: this waits until it is done.
    store.sweep().await.unwrap();
    let last = page.changes[299].position;
    drop(store);

    let store = fixture.open().await;
    for gone in [start, page.changes[0].position, page.changes[298].position] {
        let error = store.changes(all().with_since(Some(gone))).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Gone);
    }
    let version = store.put(&key("k"), "new").await.unwrap().version;
    for since in [last, page.position] {
        let page = store.changes(all().with_since(Some(since))).await.unwrap();
        assert_eq!(page.changes.len(), 1);
        assert_eq!(page.changes[0].version, version);
    }
}

#[tokio::test]
async fn a_feed_that_was_switched_off_begins_anew() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let start = store.changes(all()).await.unwrap().position;
    store.put(&key("before"), "value").await.unwrap();
    drop(store);

    let off = fixture.config().with_change_retention(Some(Duration::ZERO));
    let store = SqliteStore::open(off).await.unwrap();
    assert!(!store.capabilities().changes);
    store.put(&key("untold"), "value").await.unwrap();
    let error = store.changes(all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    drop(store);
    let guest = fixture.config().with_change_retention(None);
    let guest = SqliteStore::open(guest).await.unwrap();
    assert!(!guest.capabilities().changes, "a guest does as the others");
    drop(guest);

    let store = fixture.open().await;
    let error = store.changes(all().with_since(Some(start))).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Gone);
    let anew = store.changes(all()).await.unwrap().position;
    store.put(&key("told"), "value").await.unwrap();
    let page = store.changes(all().with_since(Some(anew))).await.unwrap();
    assert_eq!(page.changes.len(), 1);
}

/// The feed must not keep out what can be stored: its older changes make room.
#[tokio::test]
async fn on_a_full_disk_deletes_are_done_and_told() {
    let fixture = Fixture::new();
    let config = fixture.config().with_max_bytes(Some(256 << 10));
    let store = SqliteStore::open(config).await.unwrap();
    let mut stored = Vec::new();
    let full = loop {
        let number = key(stored.len());
        match store.put(&number, "a small value").await {
            Ok(_) => stored.push(number),
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    for key in stored {
        let since = store.changes(all()).await.unwrap().position;
        assert!(store.delete(&key).await.unwrap());
        let page = store.changes(all().with_since(Some(since))).await.unwrap();
        assert_eq!(page.changes.len(), 1);
    }
}
