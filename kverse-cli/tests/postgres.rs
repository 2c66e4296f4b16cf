//! The command line on a PostgreSQL database, with and without a Redis in front, beside a server.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/server.rs"]
mod server;

use std::time::{Duration, Instant};

use common::{Run, cli, command};
use kverse_store::testing::{PostgresServer, RedisServer};
use server::TestServer;

#[test]
fn without_a_cache_it_works_on_the_database_alone() {
    let database = PostgresServer::shared().create_database();
    let url = database.url();
    cli(&url, &["put", "k", "value"]).text();
    assert_eq!(cli(&url, &["get", "k"]).text(), "value");
    assert_eq!(cli(&url, &["list"]).text(), "k\n");
    cli(&url, &["delete", "k"]).text();
    cli(&url, &["get", "k"]).failed(3, "does not exist");
}

/// A store that cannot wait is asked again and again.
#[test]
fn changes_are_seen_on_the_database_itself() {
    let database = PostgresServer::shared().create_database();
    let url = database.url();
    // Whether a database keeps a feed is up to its servers.
    cli(&url, &["watch"]).failed(1, "no feed of changes");
    let server = TestServer::start(&["--database-url", &url]);
    cli(&server.url, &["put", "before", "x"]).text();
    let watching = std::thread::spawn({
        let url = url.clone();
        move || cli(&url, &["watch", "--count", "2"]).text()
    });
    // It may begin at any of these.
    let mut number = 0;
    while !watching.is_finished() {
        cli(&server.url, &["put", &format!("k{number}"), "x"]).text();
        number += 1;
        assert!(number < 1000, "nothing is seen");
    }
    let text = watching.join().unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.lines().all(|line| line.starts_with("put ")), "{text}");
}

#[test]
fn it_takes_part_beside_a_server_and_does_not_bypass_the_cache() {
    let database = PostgresServer::shared().create_database();
    let url = database.url();
    let mut redis = RedisServer::start();
    let redis_url = redis.url();
    let server = TestServer::start(&["--database-url", &url, "--redis-url", &redis_url]);
    let beside = |args: &[&str]| Run::of(command(&url, args).args(["--redis-url", &redis_url]));
    let mode = || database.sql("SELECT mode FROM cache_mode");
    // Answered once the database is open.
    cli(&server.url, &["list"]).text();
    let deadline = Instant::now() + Duration::from_secs(30);
    while mode() != "on" {
        assert!(Instant::now() < deadline, "{}", mode());
    }
    for (round, value) in ["1", "2", "3"].iter().enumerate() {
        // The server has it in the cache before it is overwritten past the server.
        cli(&server.url, &["put", "k", "old"]).text();
        assert_eq!(cli(&server.url, &["get", "k"]).text(), "old");
        beside(&["put", "k", value]).text();
        assert_eq!(cli(&server.url, &["get", "k"]).text(), *value, "{round}");
        assert_eq!(beside(&["get", "k"]).text(), *value);
        assert_eq!(beside(&["list"]).text(), "k\n");
        assert_eq!(beside(&["stats", "-o", "json"]).json()["items"], 1);
        beside(&["health"]).text();
        beside(&["delete", "k"]).text();
        cli(&server.url, &["get", "k"]).failed(3, "does not exist");
    }
    assert_eq!(mode(), "on");

    let refusal = "give the URL of that Redis";
    for verb in [
        &["put", "k", "v"][..],
        &["get", "k"],
        &["delete", "k"],
        &["list"],
    ] {
        cli(&url, verb).failed(1, refusal);
    }
    // One that it cannot reach, though others do, is not switched off for them.
    Run::of(&mut command(
        &url,
        &["put", "k", "v", "--redis-url", "redis://127.0.0.1:1"],
    ))
    .failed(6, "cannot reach Redis");
    assert_eq!(mode(), "on");
    redis.kill();
}
