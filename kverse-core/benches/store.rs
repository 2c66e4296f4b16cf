//! What the wrappers cost: `cargo bench -p kverse-core`.
#![expect(clippy::unwrap_used, reason = "benchmarks")]

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use futures_util::future::join_all;
use kverse_core::{
    CachedStore, CoalescedStore, GroupCommitStore, Key, KvStore, KvStoreExt, MemoryCache,
    MemoryStore, ObservedStore, SystemClock,
};
use prometheus::Registry;
use tokio::runtime::Runtime;

const KEYS: usize = 10_000;
const CONCURRENT: usize = 64;

fn main() {
    divan::main();
}

/// The stack that a server puts in front of its database, here in front of memory.
fn stack() -> Arc<dyn KvStore> {
    let registry = Registry::new();
    let backend = Arc::new(CoalescedStore::new(Arc::new(MemoryStore::default()), 4));
    let cache = Arc::new(MemoryCache::new(64 << 20));
    let cached = CachedStore::new(cache, backend, Arc::new(SystemClock)).unwrap();
    let grouped = GroupCommitStore::new(Arc::new(cached), Some(&registry)).unwrap();
    Arc::new(ObservedStore::new(Arc::new(grouped), &registry).unwrap())
}

fn open(name: &str, runtime: &Runtime) -> Arc<dyn KvStore> {
    let _entered = runtime.enter();
    match name {
        "bare" => Arc::new(MemoryStore::default()),
        _ => stack(),
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

fn keys() -> Vec<Key> {
    (0..KEYS)
        .map(|i| format!("user/{i:019}").parse().unwrap())
        .collect()
}

fn filled(store: &Arc<dyn KvStore>, runtime: &Runtime) -> Vec<Key> {
    let keys = keys();
    for key in &keys {
        runtime.block_on(store.put(key, vec![b'x'; 100])).unwrap();
    }
    keys
}

#[divan::bench(args = ["bare", "stack"])]
fn get(bencher: Bencher<'_, '_>, name: &str) {
    let runtime = runtime();
    let store = open(name, &runtime);
    let keys = filled(&store, &runtime);
    let mut next = keys.iter().cycle();
    bencher.bench_local(|| runtime.block_on(store.get(next.next().unwrap())).unwrap());
}

#[divan::bench(args = ["bare", "stack"])]
fn put(bencher: Bencher<'_, '_>, name: &str) {
    let runtime = runtime();
    let store = open(name, &runtime);
    let keys = filled(&store, &runtime);
    let mut next = keys.iter().cycle();
    bencher.bench_local(|| {
        runtime
            .block_on(store.put(next.next().unwrap(), "value"))
            .unwrap()
    });
}

#[divan::bench(args = ["bare", "stack"])]
fn put_64_concurrently(bencher: Bencher<'_, '_>, name: &str) {
    let runtime = runtime();
    let store = open(name, &runtime);
    let keys = filled(&store, &runtime);
    bencher
        .counter(ItemsCount::new(CONCURRENT))
        .bench_local(|| {
            runtime.block_on(join_all(
                keys[..CONCURRENT].iter().map(|key| store.put(key, "value")),
            ))
        });
}
