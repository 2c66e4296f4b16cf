//! What the Redis cache costs beside its server: hits against a bare GET over a multiplexed connection, and marks with
//! finishes in batches. `cargo bench -p kverse-store --bench redis --all-features`.
#![expect(clippy::unwrap_used, reason = "a benchmark without its server fails")]

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use kverse_core::cached::{EpochCache, Finish, Lookup};
use kverse_core::{Entry, Key, Timestamp, Version};
use kverse_store::redis::{RedisCache, RedisOptions};
use kverse_store::testing::RedisServer;
use redis::aio::MultiplexedConnection;

const TASKS: usize = 64;
const GETS_PER_TASK: usize = 2_000;
const ROUNDS: usize = 8;
const BATCH: usize = 32;
const BATCHES: usize = 2_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = RedisServer::start();
    let now = Timestamp::from(SystemTime::now());
    let options = RedisOptions::default().with_command_timeout(Duration::from_secs(5));
    let url = server.url();
    let cache = RedisCache::connect(&url, options, now);
    let cache = Arc::new(cache.await.unwrap());
    cache.open_epoch(1).await.unwrap();
    let keys: Vec<Key> = (0..1000)
        .map(|i| format!("key{i}").parse().unwrap())
        .collect();
    for keys in keys.chunks(BATCH) {
        write(&cache, keys, 1).await;
    }
    let client = redis::Client::open(server.url()).unwrap();
    let bare = client.get_multiplexed_async_connection().await.unwrap();

    let (mut bare_best, mut cache_best, mut ratios) = (0.0_f64, 0.0_f64, Vec::new());
    for _ in 0..ROUNDS {
        let bare = bare_gets(&bare).await;
        let cached = lookups(&cache, &keys).await;
        bare_best = bare_best.max(bare);
        cache_best = cache_best.max(cached);
        ratios.push(cached / bare);
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ratios.len() / 2];
    println!(
        "{TASKS} tasks, one thread, best of {ROUNDS} rounds; the ratio is the median of the rounds'"
    );
    println!("bare GET       {bare_best:>9.0}/s");
    println!("lookup, a hit  {cache_best:>9.0}/s  ratio {median:.3}");

    let start = Instant::now();
    for attempt in 0..BATCHES {
        write(&cache, &keys[..BATCH], attempt as u64).await;
    }
    let each = start.elapsed() / u32::try_from(BATCHES).unwrap();
    println!("mark and finish of {BATCH} keys, one after the other  {each:.1?}");
}

async fn write(cache: &RedisCache, keys: &[Key], attempt: u64) {
    let lifetime = Duration::from_secs(10);
    cache.mark(1, keys, attempt, lifetime).await.unwrap();
    let version = Version::new(attempt + 1);
    let outcome = Finish::Done(version, Some(Entry::new(vec![b'x'; 100], version)));
    let outcomes = keys.iter().map(|key| (key.clone(), outcome.clone()));
    cache.finish(1, attempt, outcomes.collect()).await.unwrap();
}

async fn bare_gets(connection: &MultiplexedConnection) -> f64 {
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let connection = connection.clone();
        tasks.spawn(async move {
            for i in 0..GETS_PER_TASK {
                let mut get = redis::cmd("GET");
                get.arg(format!("kv:1:key{}", (task + i) % 1000));
                let mut connection = connection.clone();
                let found: Vec<u8> = get.query_async(&mut connection).await.unwrap();
                assert!(found.len() > 100);
            }
        });
    }
    tasks.join_all().await;
    (TASKS * GETS_PER_TASK) as f64 / start.elapsed().as_secs_f64()
}

async fn lookups(cache: &Arc<RedisCache>, keys: &[Key]) -> f64 {
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let (cache, keys) = (Arc::clone(cache), keys.to_vec());
        tasks.spawn(async move {
            for i in 0..GETS_PER_TASK {
                let key = &keys[(task + i) % keys.len()];
                let found = cache.lookup(1, std::slice::from_ref(key)).await.unwrap();
                assert!(matches!(found[..], [Lookup::Hit(Some(_))]));
            }
        });
    }
    tasks.join_all().await;
    (TASKS * GETS_PER_TASK) as f64 / start.elapsed().as_secs_f64()
}
