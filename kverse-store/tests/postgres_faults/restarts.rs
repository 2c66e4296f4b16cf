//! A server that restarts, pauses or cuts its connections, under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kverse_core::{Error, ErrorKind, Key, KvStore, KvStoreExt, Precondition, PutOptions};
use kverse_store::postgres::PostgresStore;
use kverse_store::testing::{PostgresOptions, PostgresServer};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::common::{config, key, open, until_ok};

/// Many writers, each with a key of its own that holds a number which only grows.
struct Load {
    stop: Arc<AtomicBool>,
    writers: JoinSet<(Key, u64, Vec<Error>)>,
}

impl Load {
    fn start(store: &Arc<PostgresStore>) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let mut writers = JoinSet::new();
        for writer in 0..8 {
            let (store, stop) = (Arc::clone(store), Arc::clone(&stop));
            writers.spawn(async move {
                let (key, mut acknowledged, mut errors) = (key(writer), 0, Vec::new());
                for number in 1.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let condition = match writer % 2 {
                        0 => Precondition::None,
                        _ if acknowledged == 0 => Precondition::None,
                        _ => Precondition::Exists,
                    };
                    let options = PutOptions::default().with_precondition(condition);
                    match store.put_opts(&key, number.to_string(), options).await {
                        Ok(_) => acknowledged = number,
                        Err(error) => errors.push(error),
                    }
                }
                (key, acknowledged, errors)
            });
        }
        Self { stop, writers }
    }

    /// Stops the writers; what they acknowledged must be there, and their errors must be such that one may try again.
    async fn check(self, store: &PostgresStore) -> Vec<Error> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for (key, acknowledged, errors) in self.writers.join_all().await {
            let entry = until_ok(async || store.get(&key).await).await.unwrap();
            let stored: u64 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
            assert!(
                acknowledged > 0 && stored >= acknowledged,
                "{key}: {stored} < {acknowledged}"
            );
            all.extend(errors);
        }
        for error in &all {
            let kinds = [ErrorKind::Unavailable, ErrorKind::Timeout];
            assert!(kinds.contains(&error.kind()), "{error:?}");
        }
        all
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restart_of_the_server_loses_nothing() {
    let server = Arc::new(PostgresServer::start(
        PostgresOptions::default().with_fsync(true),
    ));
    server.sql("postgres", "CREATE DATABASE kverse");
    let store = open(&server.url("kverse")).await;
    let load = Load::start(&store);
    for kill in [false, true] {
        sleep(Duration::from_millis(300)).await;
        let server = Arc::clone(&server);
        let restart = move || {
            if kill {
                server.kill();
                server.start_again();
            } else {
                server.restart();
            }
        };
        tokio::task::spawn_blocking(restart).await.unwrap();
        until_ok(async || store.put(&key("after"), "value").await).await;
    }
    load.check(&store).await;
    assert!(store.check().await[0].result.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_pause_of_the_server_is_not_waited_for_and_loses_nothing() {
    let server = PostgresServer::start(PostgresOptions::default());
    server.sql("postgres", "CREATE DATABASE kverse");
    let config = config(&server.url("kverse"))
        .with_connection_wait(Duration::from_millis(500))
        .with_statement_timeout(Duration::from_millis(200));
    let store = Arc::new(PostgresStore::open(config).await.unwrap());
    let load = Load::start(&store);
    sleep(Duration::from_millis(300)).await;
    server.pause();
    let started = Instant::now();
    let error = store.put(&key("paused"), "value").await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    let health = store.check().await;
    assert!(health[0].result.is_err());
    assert!(started.elapsed() < Duration::from_secs(15));
    // Longer than an answer is waited for: 200 ms for the statement, 2 s for the way.
    sleep(Duration::from_secs(4).saturating_sub(started.elapsed())).await;
    server.resume();
    until_ok(async || store.put(&key("after"), "value").await).await;
    let errors = load.check(&store).await;
    assert!(!errors.is_empty(), "the pause was not noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cut_connections_are_replaced() {
    let database = PostgresServer::shared().create_database();
    let store = open(&database.url()).await;
    let load = Load::start(&store);
    for _ in 0..5 {
        sleep(Duration::from_millis(100)).await;
        database.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        until_ok(async || store.put(&key("after"), "value").await).await;
        until_ok(async || store.get(&key("after")).await).await;
    }
    load.check(&store).await;
}
