//! Redis lost, emptied, restarted, paused, and full.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::cached::{CacheError, EpochCache, Lookup};
use kverse_core::{Entry, Key, Version};
use kverse_store::redis::RedisOptions;
use kverse_store::testing::{AfterRestart, RedisServer};

use crate::common::{LONG, connect, entry, key, lease, look, open, put, until};

#[tokio::test]
async fn an_emptied_server_does_not_know_the_epoch() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    put(&cache, "k", entry(1)).await;
    server.command(&["FLUSHALL"]);
    let lost = look(&cache, "k").await;
    assert!(matches!(lost, Err(CacheError::NoEpoch)), "{lost:?}");
    let lost = cache.mark(1, &[key("k")], 1, LONG).await;
    assert!(matches!(lost, Err(CacheError::NoEpoch)), "{lost:?}");
    let lost = cache
        .finish(1, 1, vec![(key("k"), kverse_core::cached::Finish::NotDone)])
        .await;
    assert!(matches!(lost, Err(CacheError::NoEpoch)), "{lost:?}");

    cache.open_epoch(2).await.unwrap();
    cache.mark(2, &[key("k")], 1, LONG).await.unwrap();
}

#[tokio::test]
async fn a_restart_is_found_out_before_the_first_use() {
    for after in [AfterRestart::Empty, AfterRestart::Snapshot] {
        let mut server = RedisServer::start();
        let cache = open(&server).await;
        put(&cache, "k", entry(1)).await;
        let before = cache.run_id().await.unwrap();
        server.restart(after);
        for _ in 0..3 {
            let lost = look(&cache, "k").await;
            assert!(
                matches!(lost, Err(CacheError::Restarted)),
                "{after:?}: {lost:?}"
            );
            let lost = cache.mark(1, &[key("k")], 1, LONG).await;
            assert!(
                matches!(lost, Err(CacheError::Restarted)),
                "{after:?}: {lost:?}"
            );
        }
        assert_ne!(cache.run_id().await.unwrap(), before);

        // Nor does a replica believe it that only sees the server now.
        let replica = connect(&server, crate::common::patient()).await;
        let lost = look(&replica, "k").await.unwrap_err();
        match after {
            AfterRestart::Empty => assert!(matches!(lost, CacheError::NoEpoch), "{lost:?}"),
            AfterRestart::Snapshot => assert!(matches!(lost, CacheError::Restarted), "{lost:?}"),
        }
        replica.open_epoch(2).await.unwrap();
        let found = cache.lookup(2, &[key("k")]).await.unwrap();
        assert!(matches!(found[..], [Lookup::Miss(_)]), "{found:?}");
    }
}

#[tokio::test]
async fn a_connection_that_the_server_closes_is_made_again_at_once() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    put(&cache, "k", entry(1)).await;
    for _ in 0..5 {
        server.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        assert_eq!(
            look(&cache, "k").await.unwrap(),
            Lookup::Hit(Some(entry(1)))
        );
    }
}

#[tokio::test]
async fn a_server_that_is_gone_fails_at_once_and_comes_back() {
    let mut server = RedisServer::start();
    let cache = open(&server).await;
    server.kill();
    for _ in 0..5 {
        let lost = look(&cache, "k").await;
        assert!(matches!(lost, Err(CacheError::Unreachable(_))), "{lost:?}");
    }
    let start = Instant::now();
    for _ in 0..1000 {
        look(&cache, "k").await.unwrap_err();
    }
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    server.start_again();
    until("it is found again", async || {
        matches!(look(&cache, "k").await, Err(CacheError::Restarted))
    })
    .await;
}

/// Many at once, on several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_paused_server_costs_a_timeout_and_then_nothing() {
    let server = RedisServer::start();
    let timeout = Duration::from_millis(200);
    let options = RedisOptions::default().with_command_timeout(timeout);
    let cache = Arc::new(connect(&server, options).await);
    cache.open_epoch(1).await.unwrap();
    put(&*cache, "k", entry(1)).await;
    server.pause();
    let start = Instant::now();
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let cache = Arc::clone(&cache);
        readers.spawn(async move { look(&*cache, "k").await });
    }
    while let Some(found) = readers.join_next().await {
        let found = found.unwrap();
        assert!(
            matches!(found, Err(CacheError::Unreachable(_))),
            "{found:?}"
        );
    }
    let first = start.elapsed();
    assert!(first >= timeout && first < 4 * timeout, "{first:?}");

    let start = Instant::now();
    for _ in 0..1000 {
        look(&*cache, "k").await.unwrap_err();
    }
    assert!(start.elapsed() < timeout, "{:?}", start.elapsed());

    server.resume();
    // The same process: what it holds is still good.
    until("it is found again", async || {
        look(&*cache, "k")
            .await
            .is_ok_and(|found| found == Lookup::Hit(Some(entry(1))))
    })
    .await;
}

#[tokio::test]
async fn eviction_spares_markers() {
    let options = ["--maxmemory", "2mb", "--maxmemory-policy", "volatile-lru"];
    let server = RedisServer::start_with(&options);
    let cache = open(&server).await;
    let marked: Vec<Key> = (0..100).map(|i| key(&format!("marked{i}"))).collect();
    cache.mark(1, &marked, 1, LONG).await.unwrap();
    for i in 0..2000 {
        let filler = Entry::new(vec![b'x'; 2000], Version::new(1));
        put(&cache, &format!("filler{i}"), filler).await;
    }
    let info = server.command(&["INFO", "stats"]);
    assert!(!info.contains("evicted_keys:0\r"), "nothing was evicted");
    let found = cache.lookup(1, &marked).await.unwrap();
    assert!(
        found.iter().all(|found| *found == Lookup::Bypass),
        "{found:?}"
    );
}

/// With `noeviction` a full server refuses: nothing hangs, nothing stale stays, and it recovers.
#[tokio::test]
async fn a_full_server_refuses_marks_and_still_forgets() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    put(&cache, "k", entry(1)).await;
    cache.mark(1, &[key("k")], 7, LONG).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    let refused = cache.mark(1, &[key("other")], 8, LONG).await;
    assert!(matches!(refused, Err(CacheError::Failed(_))), "{refused:?}");
    crate::common::finish(&cache, "k", 7, entry(2)).await;
    server.command(&["CONFIG", "SET", "maxmemory", "0"]);
    lease(&cache, "k").await;
    put(&cache, "k", entry(3)).await;
}

/// Event loops of their own, as the workers of a web server are; what one leaves behind does not hurt the others.
#[test]
fn runtimes_that_end_take_only_their_connection_along() {
    let server = RedisServer::start();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let cache = Arc::new(first.block_on(open(&server)));
    first.block_on(put(&*cache, "k", entry(1)));
    for _ in 0..5 {
        let cache = Arc::clone(&cache);
        let worker = std::thread::spawn(move || {
            let found = runtime().block_on(look(&*cache, "k"));
            assert_eq!(found.unwrap(), Lookup::Hit(Some(entry(1))));
        });
        worker.join().unwrap();
    }
    let registry = prometheus::Registry::new();
    cache.register(&registry).unwrap();
    let connections = registry.gather().into_iter();
    let mut connections = connections.filter(|family| family.name() == "kverse_cache_connections");
    let connections = connections.next().unwrap().get_metric()[0]
        .get_gauge()
        .get_value();
    assert!((connections - 1.0).abs() < 0.1, "{connections}");
    drop(first);
    let found = runtime().block_on(look(&*cache, "k"));
    assert_eq!(found.unwrap(), Lookup::Hit(Some(entry(1))));
}
