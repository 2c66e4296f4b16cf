//! What can only be seen on a clock that the test sets: exact boundaries, and a clock that goes back.

use std::sync::Arc;
use std::time::Duration;

use super::{AnyBackend, key, value};
use crate::{
    Clock, Expiry, KvStoreExt, ManualClock, Prefix, PutOptions, ScanOptions, Version, Write,
};

fn clock(backend: &AnyBackend) -> Arc<ManualClock> {
    let clock = backend.clock();
    clock.expect("a backend that is declared `clocked` has a clock that can be set")
}

/// An entry is there until one microsecond before its end, and gone at its end: for gets, scans, counts and conditions.
pub async fn an_entry_is_gone_exactly_at_its_end(backend: &mut AnyBackend) {
    let (clock, store, key) = (clock(backend), backend.store(), key("k"));
    let ttl = Duration::from_micros(1_500_001);
    let start = clock.now();
    let options = PutOptions::default().with_ttl(ttl);
    let put = store.put_opts(&key, "value", options).await.unwrap();
    assert_eq!(put.expires_at, Some(start.saturating_add(ttl)));

    clock.advance(ttl - Duration::from_micros(1));
    assert_eq!(value(&store, &key).await, Some("value".into()));
    let scan = ScanOptions::new(Prefix::default());
    assert_eq!(store.scan(scan.clone()).await.unwrap().entries.len(), 1);
    assert_eq!(store.stats().await.unwrap().items, 1);

    clock.advance(Duration::from_micros(1));
    assert_eq!(value(&store, &key).await, None);
    assert!(store.scan(scan).await.unwrap().entries.is_empty());
    assert_eq!(store.stats().await.unwrap().items, 0);
    assert!(!store.put(&key, "new").await.unwrap().existed);
}

/// An end that is the present is the past: the entry is gone at once. One microsecond later it is not.
pub async fn an_expiry_at_the_present_is_in_the_past(backend: &AnyBackend) {
    let (clock, store, key) = (clock(backend), backend.store(), key("k"));
    let now = clock.now();
    for (end, found) in [
        (now, false),
        (now.saturating_add(Duration::from_micros(1)), true),
    ] {
        let options = PutOptions::default().with_expiry(Expiry::At(end));
        store.put_opts(&key, "value", options).await.unwrap();
        assert_eq!(value(&store, &key).await.is_some(), found);
    }
}

/// A version is the time of its write, unless the key has been written at or after that time already.
pub async fn a_version_is_the_time_of_its_write(backend: &AnyBackend) {
    let (clock, store, key) = (clock(backend), backend.store(), key("k"));
    let first = store.put(&key, "one").await.unwrap().version;
    assert_eq!(first, Version::new(clock.now().as_micros()));
    clock.advance(Duration::from_secs(1));
    let second = store.put(&key, "two").await.unwrap().version;
    assert_eq!(second, Version::new(clock.now().as_micros()));
}

/// Versions grow although the clock stands still or goes back, across a delete too.
pub async fn versions_grow_while_the_clock_goes_back(backend: &AnyBackend) {
    let (clock, store, key) = (clock(backend), backend.store(), key("k"));
    let mut last = store.put(&key, "value").await.unwrap().version;
    for back in [
        Duration::ZERO,
        Duration::from_secs(1),
        Duration::from_secs(86_400),
    ] {
        clock.set(clock.now().saturating_sub(back));
        for write in [
            Write::put(key.clone(), "value"),
            Write::delete(key.clone()),
            Write::put(key.clone(), "value"),
        ] {
            let version = store.write_one(write).await.unwrap().version;
            assert!(version > last, "{version} after {last}, {back:?} back");
            last = version;
            let entry = store.get(&key).await.unwrap();
            assert!(entry.is_none_or(|entry| entry.version == version));
        }
    }
}

/// A put over an expired entry that has long been cleared away still has a greater version, and no trace of it.
pub async fn a_put_over_a_long_expired_entry_starts_anew(backend: &AnyBackend) {
    let (clock, store, key) = (clock(backend), backend.store(), key("k"));
    let options = PutOptions::default().with_ttl(Duration::from_secs(1));
    let first = store.put_opts(&key, "one", options).await.unwrap().version;
    // Long enough for a sweeper to come by, not for it to forget the version.
    for _ in 0..10 {
        clock.advance(Duration::from_secs(120));
        store.put(&super::key("other"), "value").await.unwrap();
        assert_eq!(value(&store, &key).await, None);
    }
    clock.set(clock.now().saturating_sub(Duration::from_secs(3600)));
    let options = PutOptions::default().with_expiry(Expiry::Keep);
    let second = store.put_opts(&key, "two", options).await.unwrap();
    assert!(!second.existed && second.version > first);
    assert_eq!(second.expires_at, None);
}
