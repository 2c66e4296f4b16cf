//! Pages of a million keys, on SQLite and on a PostgreSQL of its own:
//! `cargo bench -p kverse-store --features postgres,testing --bench lists`. What a page costs must not depend on where it
//! is, nor what a folder costs on how many keys it has. Median of the rounds; both pages take turns.
#![expect(clippy::unwrap_used, reason = "benchmarks")]

use std::time::{Duration, Instant};

use kverse_core::{Key, KvStore, Page, ScanOptions, Write};
use kverse_store::postgres::{PostgresConfig, PostgresStore};
use kverse_store::sqlite::{SqliteConfig, SqliteStore};
use kverse_store::testing::{PostgresOptions, PostgresServer};

const KEYS: usize = 1_000_000;
const ROUNDS: usize = 51;

/// A million keys in one folder, and some beside it.
fn key(number: usize) -> Key {
    format!("b/user/{number:09}").parse().unwrap()
}

async fn fill(store: &dyn KvStore) {
    let beside = ["a", "c/1", "d"].map(|key| Write::put(key.parse().unwrap(), "value"));
    store.write(beside.into()).await.unwrap();
    for first in (0..KEYS).step_by(1000) {
        let put = |number| Write::put(key(number), format!("{number:0100}"));
        let outcomes = store.write((first..first + 1000).map(put).collect()).await;
        assert!(outcomes.unwrap().iter().all(Result::is_ok));
    }
}

async fn timed(store: &dyn KvStore, options: &ScanOptions) -> (Duration, Page) {
    let started = Instant::now();
    let page = store.scan(options.clone()).await.unwrap();
    (started.elapsed(), page)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

async fn measure(name: &str, store: &dyn KvStore) {
    let all = ScanOptions::new("b/".parse().unwrap());
    for (what, all) in [
        ("keys", all.clone()),
        ("keys and values", all.with_values(true)),
    ] {
        for limit in [100, 1000] {
            let first = all.clone().with_limit(limit);
            let middle = first.clone().with_start_after(Some(key(KEYS / 2)));
            let (mut firsts, mut middles) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                for (options, times) in [(&first, &mut firsts), (&middle, &mut middles)] {
                    let (time, page) = timed(store, options).await;
                    assert_eq!(page.entries.len(), limit);
                    times.push(time);
                }
            }
            let (first, middle) = (median(firsts), median(middles));
            let ratio = middle.as_secs_f64() / first.as_secs_f64();
            println!(
                "{name}: {limit:4} {what}: first page {first:9.1?}, in the middle {middle:9.1?}, ratio {ratio:.2}"
            );
        }
    }
    let folders = ScanOptions::new("".parse().unwrap()).with_delimiter(Some("/".parse().unwrap()));
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let (time, page) = timed(store, &folders).await;
        assert_eq!((page.entries.len(), page.common_prefixes.len()), (2, 2));
        times.push(time);
    }
    println!(
        "{name}: 2 keys and 2 folders, one with a million keys: {:.1?}",
        median(times)
    );
    let mut times = Vec::new();
    for _ in 0..11 {
        let started = Instant::now();
        let count = store.count(&"b/".parse().unwrap(), None).await.unwrap();
        assert!(count.next.is_some());
        times.push(started.elapsed());
    }
    println!("{name}: count of 100,000 of them: {:.1?}", median(times));
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    let config = SqliteConfig::new(directory.path().join("kverse.db"));
    let store = SqliteStore::open(config).await.unwrap();
    fill(&store).await;
    measure("SQLite", &store).await;
    drop(store);

    let server = PostgresServer::start(PostgresOptions::default());
    server.sql("postgres", "CREATE DATABASE kverse");
    let config = PostgresConfig::new(server.url("kverse").parse().unwrap());
    let store = PostgresStore::open(config).await.unwrap();
    fill(&store).await;
    measure("PostgreSQL, not analyzed", &store).await;
    server.sql("kverse", "VACUUM ANALYZE kv");
    measure("PostgreSQL", &store).await;
}
