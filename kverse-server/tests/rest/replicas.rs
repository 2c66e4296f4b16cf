//! Two servers on one PostgreSQL database with one Redis in front: what clients of both see has an order that explains it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kverse_core::testing::history::History;
use kverse_store::http::{HttpOptions, HttpStore};
use kverse_store::testing::{AfterRestart, PostgresServer, RedisServer};

use crate::binary::Process;
use crate::common::client as http_client;
use crate::history::{client, grows};

const CLIENTS: usize = 6;
/// Longer than it takes until the cache is used again after any of the faults here.
const RECOVERY: Duration = Duration::from_secs(60);

async fn metric(server: &Process, name: &str) -> f64 {
    let request = http_client().get(format!("{}/metrics", server.url()));
    let text = request.send().await.unwrap().text().await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.map_or(0.0, |value| value.trim().parse().unwrap())
}

const HITS: &str = "kverse_store_reads_total{cache=\"hit\"}";

/// Waits until both servers serve hits again.
async fn caches_again(servers: &[Process; 2]) {
    let deadline = Instant::now() + RECOVERY;
    for server in servers {
        let before = metric(server, HITS).await;
        while metric(server, HITS).await <= before {
            assert!(Instant::now() < deadline, "the cache does not come back");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_two_replicas_is_linearizable_while_redis_fails() {
    let database = PostgresServer::shared().create_database();
    let mut redis = RedisServer::start();
    let start = || Process::start_replica(&database.url(), &redis.url(), "127.0.0.1:0");
    let servers = [start(), start()];
    let history = Arc::new(History::default());
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..2 * CLIENTS)
        .map(|name| {
            let url = servers[name % 2].url().parse().unwrap();
            let store = HttpStore::new(url, HttpOptions::default()).unwrap();
            tokio::spawn(client(store, name, Arc::clone(&history), Arc::clone(&stop)))
        })
        .collect();

    caches_again(&servers).await;
    assert_eq!(redis.command(&["FLUSHALL"]), "+OK");
    grows(&history, 200).await;
    caches_again(&servers).await;
    redis.restart(AfterRestart::Empty);
    grows(&history, 200).await;
    caches_again(&servers).await;
    redis.restart(AfterRestart::Snapshot);
    grows(&history, 200).await;
    caches_again(&servers).await;
    redis.pause();
    tokio::time::sleep(Duration::from_secs(1)).await;
    redis.resume();
    grows(&history, 200).await;
    caches_again(&servers).await;

    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let mut inconsistencies = 0.0;
    for server in &servers {
        inconsistencies += metric(server, "kverse_cache_inconsistencies_total").await;
    }
    let violations = history.violations();
    println!(
        "{} operations, {} violations",
        history.len(),
        violations.len()
    );
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(inconsistencies == 0.0, "{inconsistencies}");
}
