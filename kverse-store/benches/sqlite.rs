//! SQLite on a file of the directory for temporary files, with 100,000 entries: `cargo bench -p kverse-store`.
#![expect(clippy::unwrap_used, reason = "benchmarks")]

use std::sync::atomic::{AtomicU64, Ordering};

use divan::Bencher;
use divan::counter::ItemsCount;
use kverse_core::{Key, KvStore, KvStoreExt, Write};
use kverse_store::sqlite::{SqliteConfig, SqliteStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const KEYS: u64 = 100_000;
const VALUE_BYTES: usize = 100;

fn main() {
    divan::main();
}

struct Filled {
    runtime: Runtime,
    store: SqliteStore,
    next: AtomicU64,
    _directory: TempDir,
}

impl Filled {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let config = SqliteConfig::new(directory.path().join("kverse.db"));
        let filled = Self {
            store: runtime.block_on(SqliteStore::open(config)).unwrap(),
            runtime,
            next: AtomicU64::new(0),
            _directory: directory,
        };
        for _ in 0..KEYS / 1000 {
            filled.write(1000);
        }
        filled
    }

    /// Another key each time, far from the one before.
    fn key(&self) -> Key {
        let number = self.next.fetch_add(1, Ordering::Relaxed) * 7919 % KEYS;
        format!("user/{number:019}").parse().unwrap()
    }

    /// Another value each time: SQLite does not write a page that stays the same.
    fn value(&self) -> Vec<u8> {
        let number = self.next.load(Ordering::Relaxed);
        format!("{number:0VALUE_BYTES$}").into_bytes()
    }

    fn write(&self, count: usize) {
        let writes = (0..count).map(|_| Write::put(self.key(), self.value()));
        self.runtime
            .block_on(self.store.write(writes.collect()))
            .unwrap();
    }
}

#[divan::bench(args = [1, 64, 256])]
fn put(bencher: Bencher<'_, '_>, batch: usize) {
    let filled = Filled::new();
    bencher
        .counter(ItemsCount::new(batch))
        .bench_local(|| filled.write(batch));
}

#[divan::bench]
fn get(bencher: Bencher<'_, '_>) {
    let filled = Filled::new();
    bencher.bench_local(|| {
        let key = filled.key();
        filled.runtime.block_on(filled.store.get(&key)).unwrap()
    });
}

#[divan::bench(args = [64, 1000])]
fn get_many(bencher: Bencher<'_, '_>, count: usize) {
    let filled = Filled::new();
    bencher.counter(ItemsCount::new(count)).bench_local(|| {
        let keys: Vec<Key> = (0..count).map(|_| filled.key()).collect();
        filled.runtime.block_on(filled.store.read(&keys)).unwrap()
    });
}
