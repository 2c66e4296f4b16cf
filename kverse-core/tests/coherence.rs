//! Reads through a cache are never stale: random interleavings of writers and readers, step by step, and random
//! schedules of the whole store. The same checks must find the stale reads of naive cache-aside.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt;
use kverse_core::cached::{Cache, Fill, Finish, Lease, Lookup, Mark};
use kverse_core::{
    CacheStatus, CachedStore, Capabilities, ChangePage, ChangesOptions, ComponentHealth, Entry,
    ErrorKind, Key, KvStore, KvStoreExt, MemoryCache, MemoryStore, Operation, OperationOutcome,
    Page, ReadOutcome, Result, ScanOptions, Stats, SystemClock, Version, Write, WriteOutcome,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::sync::Semaphore;

/// Cache-aside as it is usually written: a miss is filled in whatever happened meanwhile, a write sets the cache last.
#[derive(Debug, Default)]
struct NaiveCache(Mutex<HashMap<Key, Option<Entry>>>);

#[async_trait]
impl Cache for NaiveCache {
    async fn lookup(&self, keys: &[Key]) -> Vec<Lookup> {
        let entries = self.0.lock().unwrap();
        let lookup = |key| match entries.get(key) {
            Some(entry) => Lookup::Hit(entry.clone()),
            None => Lookup::Miss(Lease(0)),
        };
        keys.iter().map(lookup).collect()
    }

    async fn fill(&self, fills: Vec<Fill>) -> Vec<bool> {
        let accepted = vec![true; fills.len()];
        for fill in fills {
            if let Ok(found) = fill.found {
                self.0.lock().unwrap().insert(fill.key, found);
            }
        }
        accepted
    }

    async fn mark(&self, _keys: &[Key]) -> Result<Mark> {
        Ok(Mark {
            attempt: 0,
            window: None,
        })
    }

    async fn finish(&self, _mark: Mark, outcomes: Vec<(Key, Finish)>) {
        for (key, outcome) in outcomes {
            match outcome {
                Finish::Done(_, entry) => self.0.lock().unwrap().insert(key, entry),
                Finish::Uncached(_) | Finish::NotDone | Finish::Unknown => {
                    self.0.lock().unwrap().remove(&key)
                }
            };
        }
    }

    fn is_shared(&self) -> bool {
        false
    }
}

impl fmt::Display for NaiveCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("naive cache-aside")
    }
}

/// One step of one of three writers or three readers of one key.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Mark, then commit, then finish.
    Writer(usize),
    /// As `Writer`, but the finish reports that the outcome is unknown.
    WriterLosesOutcome(usize),
    /// A marked write is rolled back.
    WriterRollsBack(usize),
    /// Look up, then fetch, then fill.
    Reader(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3usize).prop_map(Step::Writer),
        1 => (0..3usize).prop_map(Step::WriterLosesOutcome),
        1 => (0..3usize).prop_map(Step::WriterRollsBack),
        6 => (0..3usize).prop_map(Step::Reader),
    ];
    proptest::collection::vec(step, 1..60)
}

enum Writer {
    Idle,
    Marked(Mark),
    Committed(Mark, Version),
}

enum Reader {
    Idle,
    Leased(Lease),
    Fetched(Lease, Option<Entry>),
}

fn entry(version: Version) -> Option<Entry> {
    (version != Version::NONE).then(|| Entry::new(version.to_string(), version))
}

/// Runs the steps; an error is a hit that is older than what the database had when it was looked up.
fn run(cache: &dyn Cache, steps: &[Step]) -> Result<(), TestCaseError> {
    let key: Key = "key".parse().unwrap();
    let now = |future: std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>>| {
        future
            .now_or_never()
            .expect("a cache in this process does not wait");
    };
    let mut database = Version::NONE;
    // What has been answered: a marked write that has committed but not finished may or may not be seen.
    let mut answered = Version::NONE;
    let mut writers = [Writer::Idle, Writer::Idle, Writer::Idle];
    let mut readers = [Reader::Idle, Reader::Idle, Reader::Idle];
    for step in steps {
        match *step {
            Step::Writer(i) | Step::WriterLosesOutcome(i) => {
                writers[i] = match std::mem::replace(&mut writers[i], Writer::Idle) {
                    Writer::Idle => {
                        let keys = [key.clone()];
                        Writer::Marked(cache.mark(&keys).now_or_never().unwrap().unwrap())
                    }
                    Writer::Marked(mark) => {
                        database = Version::new(database.get() + 1);
                        // The strictest reading: committed is answered.
                        answered = database;
                        Writer::Committed(mark, database)
                    }
                    Writer::Committed(mark, version) => {
                        let outcome = match step {
                            Step::WriterLosesOutcome(_) => Finish::Unknown,
                            _ => Finish::Done(version, entry(version)),
                        };
                        now(cache.finish(mark, vec![(key.clone(), outcome)]));
                        Writer::Idle
                    }
                }
            }
            Step::WriterRollsBack(i) => {
                writers[i] = match std::mem::replace(&mut writers[i], Writer::Idle) {
                    Writer::Marked(mark) => {
                        now(cache.finish(mark, vec![(key.clone(), Finish::NotDone)]));
                        Writer::Idle
                    }
                    other => other,
                }
            }
            Step::Reader(i) => {
                readers[i] = match std::mem::replace(&mut readers[i], Reader::Idle) {
                    Reader::Idle => {
                        let found = cache.lookup(std::slice::from_ref(&key)).now_or_never();
                        match found.unwrap().pop().unwrap() {
                            Lookup::Hit(hit) => {
                                let version = hit.map_or(Version::NONE, |hit| hit.version);
                                prop_assert!(version >= answered, "{version} after {answered}");
                                Reader::Idle
                            }
                            Lookup::Miss(lease) => Reader::Leased(lease),
                            Lookup::Busy | Lookup::Bypass | Lookup::Off => Reader::Idle,
                        }
                    }
                    Reader::Leased(lease) => Reader::Fetched(lease, entry(database)),
                    Reader::Fetched(lease, found) => {
                        let fill = Fill {
                            key: key.clone(),
                            lease,
                            found: Ok(found),
                        };
                        cache.fill(vec![fill]).now_or_never().unwrap();
                        Reader::Idle
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn no_interleaving_gives_a_stale_hit() {
    let mut runner = TestRunner::new(Config {
        cases: 4000,
        ..Config::default()
    });
    runner
        .run(&steps(), |steps| run(&MemoryCache::new(1 << 20), &steps))
        .unwrap();
}

#[test]
fn the_same_interleavings_find_the_stale_hits_of_naive_cache_aside() {
    let config = Config {
        cases: 4000,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&steps(), |steps| run(&NaiveCache::default(), &steps))
        .unwrap_err();
}

/// A backend that lets others run before and after it does its work, and does a write for each permit.
#[derive(Debug)]
struct Yielding {
    store: MemoryStore,
    writes: Arc<Semaphore>,
}

impl Yielding {
    fn new(writes: usize) -> Self {
        Self {
            store: MemoryStore::default(),
            writes: Arc::new(Semaphore::new(writes)),
        }
    }
}

async fn yield_some() {
    for _ in 0..rand::random_range(0..4) {
        tokio::task::yield_now().await;
    }
}

#[async_trait]
impl KvStore for Yielding {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        yield_some().await;
        let found = self.store.read(keys).await;
        yield_some().await;
        found
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        yield_some().await;
        self.writes.acquire().await.unwrap().forget();
        let outcomes = self.store.write(writes).await;
        yield_some().await;
        outcomes
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        yield_some().await;
        let outcomes = self.store.transact(operations).await;
        yield_some().await;
        outcomes
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.store.scan(options).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.store.changes(options).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.store.stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.store.check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
}

impl fmt::Display for Yielding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("yielding")
    }
}

/// Eight tasks write and read three keys; counts the reads that are older than a write answered before them.
async fn stale_reads(cache: Arc<dyn Cache>) -> u64 {
    let backend = Arc::new(Yielding::new(Semaphore::MAX_PERMITS));
    let store = Arc::new(CachedStore::new(cache, backend, Arc::new(SystemClock)).unwrap());
    let answered: Arc<[AtomicU64; 3]> = Arc::default();
    let stale = Arc::new(AtomicU64::new(0));
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (store, answered, stale) = (
            Arc::clone(&store),
            Arc::clone(&answered),
            Arc::clone(&stale),
        );
        tasks.push(tokio::spawn(async move {
            for _ in 0..3000 {
                let index = rand::random_range(0..3usize);
                let key: Key = format!("key{index}").parse().unwrap();
                if rand::random_ratio(1, 3) {
                    let version = match rand::random_range(0..3) {
                        0 => store.write_one(Write::delete(key)).await.unwrap().version,
                        1 => {
                            let put = vec![Operation::Write(Write::put(key, "transaction"))];
                            match store.transact(put).await.unwrap()[0] {
                                OperationOutcome::Write(outcome) => outcome.version,
                                OperationOutcome::Get(_) => unreachable!(),
                            }
                        }
                        _ => store.put(&key, "put").await.unwrap().version,
                    };
                    answered[index].fetch_max(version.get(), Ordering::SeqCst);
                } else {
                    let before = answered[index].load(Ordering::SeqCst);
                    // Absent may be any delete: only what is there can be compared.
                    if let Some(entry) = store.get(&key).await.unwrap()
                        && entry.version.get() < before
                    {
                        stale.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    stale.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_schedule_gives_a_stale_read() {
    let stale = stale_reads(Arc::new(MemoryCache::new(1 << 20))).await;
    assert_eq!(stale, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn random_schedules_find_the_stale_reads_of_naive_cache_aside() {
    let stale = stale_reads(Arc::new(NaiveCache::default())).await;
    assert!(stale > 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_stored_after_its_timeout_is_not_hidden() {
    let backend = Yielding::new(1);
    let writes = Arc::clone(&backend.writes);
    let cache = Arc::new(MemoryCache::new(1 << 20));
    let store = CachedStore::new(cache, Arc::new(backend), Arc::new(SystemClock)).unwrap();
    let key: Key = "key".parse().unwrap();
    store.put(&key, "old").await.unwrap();
    let error = store.put(&key, "new").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.message().contains("within 30 s"), "{error}");

    let read = store.lookup(&key).await.unwrap();
    assert_eq!(read.entry.unwrap().value, "old");
    assert_eq!(read.cache, CacheStatus::Bypass);
    writes.add_permits(1);
    let stored = async { while store.get(&key).await.unwrap().unwrap().value != "new" {} };
    tokio::time::timeout(Duration::from_secs(10), stored)
        .await
        .unwrap();
    assert_eq!(store.get(&key).await.unwrap().unwrap().value, "new");
}
