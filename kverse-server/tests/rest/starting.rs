//! Starting on servers that are not there yet, refuse us, or are not fit.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use kverse_store::testing::{PostgresOptions, PostgresServer, RedisServer};
use serde_json::Value;

use crate::binary::{Process, run};
use crate::common::client;

/// Longer than it takes until the cache is used, or an unfit one is noticed.
const RECOVERY: Duration = Duration::from_secs(60);

/// The exit code, and the one line on stderr that is not a log record.
fn start(database_url: &str, redis_url: &str, options: &[&str]) -> (i32, String) {
    let fixed = ["--listen", "127.0.0.1:0", "--log", "off"];
    let urls = ["--database-url", database_url, "--redis-url", redis_url];
    let (code, _, error) = run(&[&fixed, &urls, options].concat(), &[]);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(!error.contains("secret"), "{error}");
    (code, error)
}

/// What `/readyz?verbose` says of a component: the status of the answer, that of the component, and the detail.
async fn check_of(server: &Process, component: &str) -> (u16, String, String) {
    let request = client().get(format!("{}/readyz?verbose", server.url()));
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let checks = body["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == component);
    let text = |name: &str| check.unwrap()[name].as_str().unwrap_or_default().to_owned();
    (status, text("status"), text("detail"))
}

/// Waits until a detail of the cache contains this.
pub(crate) async fn cache_says(server: &Process, expected: &str) -> String {
    let deadline = Instant::now() + RECOVERY;
    loop {
        let (_, _, detail) = check_of(server, "cache").await;
        if detail.contains(expected) {
            return detail;
        }
        assert!(Instant::now() < deadline, "never {expected}: {detail}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `/metrics`.
async fn metrics_of(server: &Process) -> String {
    let request = client().get(format!("{}/metrics", server.url()));
    request.send().await.unwrap().text().await.unwrap()
}

pub(crate) async fn put(server: &Process, key: &str) {
    let request = client().put(format!("{}/kv/{key}", server.url()));
    let response = request.body("value").send().await.unwrap();
    assert!(response.status().is_success(), "{response:?}");
}

/// What the cache had to do with a read.
async fn read(server: &Process, key: &str) -> String {
    let request = client().get(format!("{}/kv/{key}", server.url()));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.headers()["KVerse-Cache"]
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn settings_that_must_be_changed_end_with_2() {
    let server = PostgresServer::shared();
    server.sql("postgres", "CREATE ROLE guarded LOGIN PASSWORD 'topsecret'");
    let (database, newer) = (server.create_database(), server.create_database());
    assert_eq!(start("sqlite::memory:", "redis://localhost", &[]).0, 2);

    let guarded = format!(
        "postgresql://guarded:wrongsecret@{}/postgres",
        server.address()
    );
    let (code, error) = start(&guarded, "", &[]);
    assert_eq!(code, 2);
    assert!(error.contains("password authentication failed"), "{error}");
    let (code, error) = start(&server.url("nowhere"), "", &[]);
    assert_eq!(code, 2);
    assert!(error.contains("\"nowhere\" does not exist"), "{error}");

    drop(Process::start_at(&newer.url(), &[]));
    newer.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')");
    let (code, error) = start(&newer.url(), "", &["--start-timeout", "60s"]);
    assert_eq!(code, 2);
    assert!(error.contains("newer version of KVerse"), "{error}");

    let redis = RedisServer::start_with(&["--requirepass", "redissecret"]);
    let port = redis.address().port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    let cluster = RedisServer::start_with(&["--cluster-enabled", "yes"]);
    let evicting =
        RedisServer::start_with(&["--maxmemory", "9mb", "--maxmemory-policy", "allkeys-lru"]);
    for (url, expected) in [
        (
            redis.url().replace("redissecret", "wrongsecret"),
            "password",
        ),
        (redis.url().replace(":redissecret@", ""), "password"),
        (replica.url(), "replica"),
        (cluster.url(), "cluster"),
        (evicting.url(), "volatile-lru"),
    ] {
        let (code, error) = start(&database.url(), &url, &["--start-timeout", "60s"]);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn a_database_that_cannot_be_reached_ends_with_6_after_the_time_that_was_given() {
    let nowhere = "postgresql://me:secret@127.0.0.1:1/db";
    let began = Instant::now();
    let (code, error) = start(nowhere, "", &[]);
    assert_eq!(code, 6);
    assert!(error.contains("me:***@127.0.0.1:1"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(10));

    let began = Instant::now();
    let fixed = ["--listen", "127.0.0.1:0", "--database-url", nowhere];
    let (code, _, log) = run(&[&fixed[..], &["--start-timeout", "1500ms"]].concat(), &[]);
    assert_eq!(code, 6);
    let waited = began.elapsed();
    assert!(waited >= Duration::from_millis(1500), "{waited:?}");
    assert!(waited < Duration::from_secs(30), "{waited:?}");
    let attempts = log.matches("not available yet").count();
    assert!((2..20).contains(&attempts), "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_later_is_waited_for() {
    let database = PostgresServer::start(PostgresOptions::default());
    let url = database.url("postgres");
    database.stop();
    let in_its_place = TcpListener::bind(database.address()).unwrap();
    let starting =
        tokio::task::spawn_blocking(move || Process::start_at(&url, &["--start-timeout", "60s"]));
    // Only once the server has tried and was turned away.
    drop(in_its_place.accept().unwrap());
    drop(in_its_place);
    database.start_again();
    let server = starting.await.unwrap();
    assert!(server.start_of_log.contains("not available yet"));
    put(&server, "key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_later_is_used_once_it_is_there() {
    let database = PostgresServer::shared().create_database();
    let mut redis = RedisServer::start_with(&["--requirepass", "redissecret"]);
    redis.kill();
    let server = Process::start_at(&database.url(), &["--redis-url", &redis.url()]);
    assert!(server.start_of_log.contains("starting without the cache"));
    assert!(!server.start_of_log.contains("redissecret"));
    put(&server, "key").await;
    assert_eq!(read(&server, "key").await, "off");
    let (status, cache, detail) = check_of(&server, "cache").await;
    assert_eq!((status, cache.as_str()), (200, "unavailable"), "{detail}");
    assert!(detail.contains("mode off"), "{detail}");
    assert!(detail.contains("last error"), "{detail}");

    redis.start_again();
    cache_says(&server, "mode on").await;
    put(&server, "key").await;
    let deadline = Instant::now() + RECOVERY;
    while read(&server, "key").await != "hit" {
        assert!(Instant::now() < deadline, "no hits");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_comes_later_and_is_unfit_is_not_used() {
    let database = PostgresServer::shared().create_database();
    let mut redis =
        RedisServer::start_with(&["--maxmemory", "9mb", "--maxmemory-policy", "allkeys-lru"]);
    redis.kill();
    let server = Process::start_at(&database.url(), &["--redis-url", &redis.url()]);
    redis.start_again();
    let detail = cache_says(&server, "set maxmemory-policy volatile-lru").await;
    assert!(detail.contains("mode off"), "{detail}");
    put(&server, "key").await;
    assert_eq!(read(&server, "key").await, "off");
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "volatile-lru"]);
    cache_says(&server, "mode on").await;
    // Noticed while the cache is in use, too.
    redis.command(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    cache_says(&server, "set maxmemory-policy volatile-lru").await;
    cache_says(&server, "mode off").await;
    put(&server, "key").await;
    assert_eq!(read(&server, "key").await, "off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_stopped_says_good_bye_and_one_that_is_killed_is_not_waited_for_long() {
    let database = PostgresServer::shared().create_database();
    let mut redis = RedisServer::start();
    let start = || Process::start_replica(&database.url(), &redis.url(), "127.0.0.1:0");
    let [stopped, mut killed, server] = [start(), start(), start()];
    cache_says(&server, "mode on").await;
    put(&stopped, "key").await;
    stopped.terminate();
    let (code, log) = tokio::task::spawn_blocking(|| stopped.wait())
        .await
        .unwrap();
    assert_eq!(code, Some(0), "{log}");
    let gone = "SELECT count(*) FROM replica WHERE revision = 9223372036854775807";
    assert_eq!(database.sql(gone), "1");

    killed.kill();
    redis.kill();
    cache_says(&server, "mode off").await;
    redis.start_again();
    let began = Instant::now();
    cache_says(&server, "mode on").await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(25), "{took:?}");
    println!("back {took:?} after Redis");
}

#[tokio::test(flavor = "multi_thread")]
async fn readyz_and_metrics_tell_the_state_of_cache_and_pool() {
    let database = PostgresServer::shared().create_database();
    let mut redis = RedisServer::start();
    let server = Process::start_replica(&database.url(), &redis.url(), "127.0.0.1:0");
    let detail = cache_says(&server, "mode on").await;
    let epoch = database.sql("SELECT epoch FROM cache_mode");
    let expected = format!("mode on, epoch {epoch}, read ");
    assert!(detail.starts_with(&expected), "{detail}");
    let text = metrics_of(&server).await;
    for expected in [
        "kverse_cache_mode{mode=\"on\"} 1\n",
        &format!("kverse_cache_epoch {epoch}\n"),
        "kverse_cache_reachable 1\n",
        "kverse_cache_lease_age_seconds 0",
        "kverse_cache_clock_offset_seconds 0",
        "kverse_cache_transitions_total{mode=\"off\"} ",
        "kverse_store_errors_total{kind=\"unavailable\",operation=\"write\"} 0\n",
        "kverse_cache_command_errors_total{error=\"unreachable\"} 0\n",
        "kverse_postgres_connections{state=\"in_use\"} 0\n",
        "kverse_postgres_connections_limit 16\n",
        "kverse_postgres_connections_waiting 0\n",
    ] {
        assert!(text.contains(expected), "{expected} is missing in:\n{text}");
    }
    assert!(!text.contains("kverse_postgres_connections{state=\"idle\"} 0\n"));

    redis.kill();
    let detail = cache_says(&server, "mode off").await;
    assert!(detail.contains("does not answer"), "{detail}");
    assert!(detail.contains("last error 0 s ago"), "{detail}");
    let text = metrics_of(&server).await;
    assert!(
        text.contains("kverse_cache_mode{mode=\"off\"} 1\n"),
        "{text}"
    );
    assert!(text.contains("kverse_cache_reachable 0\n"), "{text}");

    let (_, _, detail) = check_of(&server, "database").await;
    assert!(
        detail.contains("idle, at most 16; 0 operations wait"),
        "{detail}"
    );
}
