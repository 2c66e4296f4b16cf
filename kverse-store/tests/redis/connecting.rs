//! What is refused at the start, and how it says so.

use std::time::Duration;

use kverse_core::{Error, ErrorKind, Timestamp};
use kverse_store::redis::{ClusterCache, RedisCache, RedisOptions};
use kverse_store::testing::RedisServer;

use crate::common::{connect, now, patient};

async fn refusal(url: &str) -> Error {
    refusal_at(url, now()).await
}

async fn refusal_at(url: &str, database_now: Timestamp) -> Error {
    let refused = RedisCache::connect(url, patient(), database_now).await;
    refused.unwrap_err()
}

fn check(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.message().contains(word), "{word}: {error}");
    }
}

#[tokio::test]
async fn a_password_is_used_and_never_shown() {
    let server = RedisServer::start_with(&["--requirepass", "correct-horse"]);
    let cache = connect(&server, patient()).await;
    assert!(!format!("{cache} {cache:?}").contains("correct-horse"));

    for user in ["", "somebody"] {
        let wrong = server.url().replace(":correct", &format!("{user}:wrong"));
        let error = refusal(&wrong).await;
        check(
            &error,
            ErrorKind::InvalidInput,
            &["password", &server.address().to_string()],
        );
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("horse"), "{shown}");
    }
    let without = server.url().replace(":correct-horse@", "");
    check(
        &refusal(&without).await,
        ErrorKind::InvalidInput,
        &["password"],
    );
}

#[tokio::test]
async fn a_malformed_url_is_not_repeated() {
    for url in [
        "",
        "redis",
        "http://user:secret@localhost",
        "redis://user:secret@localhost:99999",
        "redis://user:secret@localhost/notanumber",
    ] {
        let error = refusal(url).await;
        check(&error, ErrorKind::InvalidInput, &["redis://"]);
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    let mut server = RedisServer::start();
    server.kill();
    let error = refusal(&server.url()).await;
    check(
        &error,
        ErrorKind::Unavailable,
        &["cannot reach", &server.address().to_string()],
    );
    // Not one that speaks TLS.
    server.start_again();
    let error = refusal(&server.url().replace("redis:", "rediss:")).await;
    check(&error, ErrorKind::Unavailable, &["cannot reach"]);
}

#[tokio::test]
async fn a_paused_server_does_not_hold_up_the_start() {
    let server = RedisServer::start();
    server.pause();
    let options = RedisOptions::default()
        .with_command_timeout(Duration::from_millis(100))
        .with_connect_timeout(Duration::from_millis(100));
    let started = std::time::Instant::now();
    let refused = RedisCache::connect(&server.url(), options, now()).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_replica_is_refused() {
    let master = RedisServer::start();
    let port = master.address().port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    let error = refusal(&replica.url()).await;
    let place = format!("127.0.0.1:{port}");
    check(&error, ErrorKind::Unsupported, &["replica", &place]);
}

#[tokio::test]
async fn a_node_of_a_cluster_is_refused_as_a_server() {
    let server = RedisServer::start_with(&["--cluster-enabled", "yes"]);
    check(
        &refusal(&server.url()).await,
        ErrorKind::Unsupported,
        &["redis+cluster://"],
    );
}

async fn cluster_refusal(url: &str) -> Error {
    let url: kverse_store::RedisUrl = url.parse().unwrap();
    let refused = ClusterCache::connect(url.servers(), patient(), now()).await;
    refused.unwrap_err()
}

#[tokio::test]
async fn a_server_is_refused_as_a_node_of_a_cluster() {
    let server = RedisServer::start();
    let error = cluster_refusal(&server.url().replace("redis:", "redis+cluster:")).await;
    let place = server.address().to_string();
    check(
        &error,
        ErrorKind::Unsupported,
        &[&place, "name it redis://"],
    );
}

#[tokio::test]
async fn a_cluster_that_is_none_yet_is_waited_for() {
    let password = ["--requirepass", "correct-horse"];
    let mut server =
        RedisServer::start_with(&[&["--cluster-enabled", "yes"][..], &password].concat());
    let url = server.url().replace("redis:", "redis+cluster:");
    let error = cluster_refusal(&url).await;
    check(&error, ErrorKind::Unavailable, &["none of its nodes"]);
    let error = cluster_refusal(&url.replace("correct", "wrong")).await;
    check(&error, ErrorKind::InvalidInput, &["password"]);
    assert!(!format!("{error} {error:?}").contains("horse"));
    server.kill();
    let error = cluster_refusal(&url).await;
    let place = server.address().to_string();
    check(&error, ErrorKind::Unavailable, &["cannot reach", &place]);
}

#[tokio::test]
async fn a_policy_that_evicts_markers_is_refused() {
    let server = RedisServer::start_with(&["--maxmemory", "10mb"]);
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-ttl",
        "noeviction",
    ] {
        server.command(&["CONFIG", "SET", "maxmemory-policy", policy]);
        let error = refusal(&server.url()).await;
        check(&error, ErrorKind::Unsupported, &[policy, "volatile-lru"]);
    }
    server.command(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    connect(&server, patient()).await;
}

#[tokio::test]
async fn a_clock_that_is_off_is_refused() {
    let server = RedisServer::start();
    let off = Duration::from_secs(20);
    for database_now in [now().saturating_sub(off), now().saturating_add(off)] {
        let error = refusal_at(&server.url(), database_now).await;
        check(&error, ErrorKind::Unsupported, &["clock", "1s"]);
    }
}
