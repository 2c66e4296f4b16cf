//! What the cache has to do with reads and writes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use kverse_core::cached::{Cache, Finish, Lookup};
use kverse_core::{
    CacheStatus, CachedStore, Entry, ErrorKind, Key, KvStore, KvStoreExt, Limits, ManualClock,
    MemoryCache, MemoryStore, Operation, Precondition, PutOptions, Version, Write, WriteId,
};

struct Fixture {
    clock: Arc<ManualClock>,
    cache: Arc<MemoryCache>,
    backend: Arc<MemoryStore>,
    store: CachedStore,
}

fn fixture() -> Fixture {
    let clock = Arc::new(ManualClock::default());
    let cache = Arc::new(MemoryCache::new(1 << 20));
    let backend = Arc::new(MemoryStore::new(Arc::clone(&clock) as _, Limits::default()));
    let store = CachedStore::new(
        Arc::clone(&cache) as _,
        Arc::clone(&backend) as _,
        Arc::clone(&clock) as _,
    );
    Fixture {
        clock,
        cache,
        backend,
        store: store.unwrap(),
    }
}

impl Fixture {
    async fn status(&self, key: &Key) -> CacheStatus {
        self.store.lookup(key).await.unwrap().cache
    }
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_miss_is_filled_in_and_a_write_is_cached() {
    let fixture = fixture();
    let key = key("a");
    assert_eq!(fixture.status(&key).await, CacheStatus::Miss);
    assert_eq!(fixture.status(&key).await, CacheStatus::Hit);
    fixture.store.put(&key, "1").await.unwrap();
    let read = fixture.store.lookup(&key).await.unwrap();
    assert_eq!(
        (read.cache, read.entry.unwrap().value),
        (CacheStatus::Hit, "1".into())
    );
    fixture.store.delete(&key).await.unwrap();
    let read = fixture.store.lookup(&key).await.unwrap();
    assert_eq!((read.cache, read.entry), (CacheStatus::Hit, None));
}

#[tokio::test]
async fn a_key_whose_write_is_in_flight_is_read_from_the_backend() {
    let fixture = fixture();
    let key = key("a");
    fixture.store.put(&key, "1").await.unwrap();
    let mark = fixture
        .cache
        .mark(std::slice::from_ref(&key))
        .await
        .unwrap();
    assert_eq!(fixture.status(&key).await, CacheStatus::Bypass);
    fixture
        .cache
        .finish(mark, vec![(key.clone(), Finish::NotDone)])
        .await;
    assert_eq!(fixture.status(&key).await, CacheStatus::Miss);
}

#[tokio::test]
async fn a_key_that_another_reader_fetches_is_read_from_the_backend() {
    let fixture = fixture();
    let key = key("a");
    let lookups = fixture.cache.lookup(std::slice::from_ref(&key)).await;
    assert!(matches!(lookups[..], [Lookup::Miss(_)]));
    assert_eq!(fixture.status(&key).await, CacheStatus::Bypass);
}

#[tokio::test]
async fn a_cached_entry_ends_on_time() {
    let fixture = fixture();
    let key = key("a");
    let ttl = PutOptions::default().with_ttl(Duration::from_secs(1));
    fixture.store.put_opts(&key, "1", ttl).await.unwrap();
    fixture.clock.advance(Duration::from_micros(999_999));
    assert!(fixture.store.get(&key).await.unwrap().is_some());
    fixture.clock.advance(Duration::from_micros(1));
    let read = fixture.store.lookup(&key).await.unwrap();
    assert_eq!((read.cache, read.entry), (CacheStatus::Hit, None));
}

#[tokio::test]
async fn a_failed_write_leaves_the_backend_s_value() {
    let fixture = fixture();
    let key = key("a");
    fixture.store.put(&key, "1").await.unwrap();
    let absent = PutOptions::default().with_precondition(Precondition::Absent);
    let error = fixture.store.put_opts(&key, "2", absent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PreconditionFailed);
    assert_eq!(fixture.store.get(&key).await.unwrap().unwrap().value, "1");
}

#[tokio::test]
async fn what_a_replayed_write_brings_along_is_not_cached() {
    let fixture = fixture();
    let key = key("a");
    let put = |value| Write::put(key.clone(), value).with_write_id(WriteId::from_bytes([7; 16]));
    fixture.store.write_one(put("first")).await.unwrap();
    assert!(
        fixture
            .store
            .write_one(put("other"))
            .await
            .unwrap()
            .replayed
    );
    assert_eq!(
        fixture.store.get(&key).await.unwrap().unwrap().value,
        "first"
    );
}

#[tokio::test]
async fn a_transaction_s_writes_are_cached_and_a_failed_one_s_are_not() {
    let fixture = fixture();
    let (a, b) = (key("a"), key("b"));
    let put = |key: &Key, value| Operation::Write(Write::put(key.clone(), value));
    fixture
        .store
        .transact(vec![put(&a, "1"), put(&b, "1")])
        .await
        .unwrap();
    assert_eq!(fixture.status(&a).await, CacheStatus::Hit);
    let check = Operation::Get {
        key: b.clone(),
        precondition: Precondition::Absent,
    };
    fixture
        .store
        .transact(vec![put(&a, "2"), check])
        .await
        .unwrap_err();
    assert_eq!(fixture.store.get(&a).await.unwrap().unwrap().value, "1");
}

#[tokio::test]
async fn the_cache_stays_within_its_bytes() {
    let cache = MemoryCache::new(1 << 20);
    for number in 0..10_000 {
        let key = key(&format!("key{number}"));
        let mark = cache.mark(std::slice::from_ref(&key)).await.unwrap();
        let entry = Entry::new(vec![0; 1000], Version::new(1));
        cache
            .finish(
                mark,
                vec![(key, Finish::Done(Version::new(1), Some(entry)))],
            )
            .await;
    }
    assert!(cache.bytes() <= 1 << 20, "{}", cache.bytes());
    assert!(cache.len() > 500, "{}", cache.len());
}

#[tokio::test]
async fn what_was_written_past_the_cache_shows_that_reads_come_from_it() {
    let fixture = fixture();
    let key = key("a");
    fixture.store.put(&key, "1").await.unwrap();
    fixture.backend.put(&key, "2").await.unwrap();
    assert_eq!(fixture.store.get(&key).await.unwrap().unwrap().value, "1");
}

#[tokio::test(start_paused = true)]
async fn the_sampler_finds_what_was_written_past_the_cache_and_nothing_else() {
    let fixture = fixture();
    let sampler = fixture.store.sample(Duration::from_secs(1), 8, None);
    let sampler = sampler.unwrap();
    let (a, b) = (key("a"), key("b"));
    let turn = || tokio::time::sleep(Duration::from_secs(1));
    // Between two of its turns.
    tokio::time::sleep(Duration::from_millis(500)).await;
    fixture.store.put(&a, "1").await.unwrap();
    fixture.store.get(&a).await.unwrap();
    turn().await;
    assert_eq!((sampler.samples(), sampler.inconsistencies()), (1, 0));
    fixture.store.get(&b).await.unwrap();
    fixture.backend.put(&a, "2").await.unwrap();
    fixture.backend.put(&b, "cached as missing").await.unwrap();
    for key in [&a, &b] {
        fixture.store.get(key).await.unwrap();
    }
    turn().await;
    assert_eq!((sampler.samples(), sampler.inconsistencies()), (3, 2));
}
