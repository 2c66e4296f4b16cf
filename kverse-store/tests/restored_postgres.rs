//! A database that goes back to an earlier state behind its cache, which holds what was written since.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::{CacheStatus, Key, KvStore, KvStoreExt};
use kverse_store::testing::{PostgresOptions, PostgresServer, RedisServer};
use kverse_store::{StoreConfig, open};
use tokio::time::sleep;

const DATABASE: &str = "kverse";

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// A database, and a Redis, that a store like those of servers uses.
struct Fixture {
    postgres: PostgresServer,
    redis: RedisServer,
}

impl Fixture {
    fn start() -> Self {
        let postgres = PostgresServer::start(PostgresOptions::default());
        postgres.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
        let redis = RedisServer::start();
        Self { postgres, redis }
    }

    async fn store(&self) -> Arc<dyn KvStore> {
        let redis_url = Some(self.redis.url().parse().unwrap());
        let url = self.postgres.url(DATABASE).parse().unwrap();
        open(&StoreConfig::new(url).with_redis_url(redis_url))
            .await
            .unwrap()
    }

    fn sql(&self, sql: &str) -> String {
        self.postgres.sql(DATABASE, sql)
    }

    /// Runs a program of PostgreSQL on the database.
    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = self.postgres.client(program);
        succeeds(command.args(["-d", DATABASE]).args(arguments));
    }

    /// Copies the files of the server that is stopped.
    fn copy(&self, from: &Path, to: &Path) {
        succeeds(Command::new("rm").arg("-rf").arg(to));
        succeeds(Command::new("cp").arg("-a").arg(from).arg(to));
    }
}

#[track_caller]
fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {error}");
}

async fn read(store: &Arc<dyn KvStore>, name: &str) -> (Option<String>, CacheStatus) {
    let read = store.lookup(&key(name)).await.unwrap();
    let text = |entry: kverse_core::Entry| String::from_utf8(entry.value.to_vec()).unwrap();
    (read.entry.map(text), read.cache)
}

/// Reads until the cache answers; every answer must be this one.
async fn always(store: &Arc<dyn KvStore>, name: &str, expected: Option<&str>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let (found, cache) = read(store, name).await;
        assert_eq!(found.as_deref(), expected, "{name}: {cache:?}");
        if cache == CacheStatus::Hit {
            return;
        }
        assert!(Instant::now() < deadline, "no hit of {name}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// What was written after the backup is in the cache.
async fn write_the_future(store: &Arc<dyn KvStore>) {
    store.put(&key("k"), "from the future").await.unwrap();
    store.put(&key("new"), "from the future").await.unwrap();
    store.delete(&key("gone")).await.unwrap();
    always(store, "k", Some("from the future")).await;
    always(store, "new", Some("from the future")).await;
    always(store, "gone", None).await;
}

async fn write_the_past(store: &Arc<dyn KvStore>) {
    store.put(&key("k"), "kept").await.unwrap();
    store.put(&key("gone"), "kept").await.unwrap();
    always(store, "k", Some("kept")).await;
}

/// Nothing is served but what the database has.
async fn is_the_past(store: &Arc<dyn KvStore>) {
    always(store, "k", Some("kept")).await;
    always(store, "new", None).await;
    always(store, "gone", Some("kept")).await;
    store.put(&key("k"), "after").await.unwrap();
    always(store, "k", Some("after")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dump_does_not_have_is_not_served_from_the_cache() {
    let fixture = Fixture::start();
    let directory = tempfile::tempdir().unwrap();
    let dump = directory.path().join("dump");
    let dump = dump.to_str().unwrap();
    let store = fixture.store().await;
    write_the_past(&store).await;
    fixture.run("pg_dump", &["-Fc", "-f", dump]);
    write_the_future(&store).await;
    drop(store);
    // Also later epochs than that of the dump are there.
    let is_on = || fixture.sql("SELECT mode FROM cache_mode") == "on";
    let epoch = || fixture.sql("SELECT epoch FROM cache_mode");
    let before = epoch();
    fixture.sql("UPDATE cache_mode SET mode = 'off', revision = revision + 1");
    let store = fixture.store().await;
    write_the_future(&store).await;
    assert!(is_on() && epoch() != before);
    drop(store);

    let clean = ["--clean", "--if-exists", "--single-transaction", dump];
    fixture.run("pg_restore", &clean);
    assert!(is_on() && epoch() == before);
    is_the_past(&fixture.store().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_copy_of_the_files_does_not_have_is_not_served_from_the_cache() {
    let fixture = Fixture::start();
    let directory = tempfile::tempdir().unwrap();
    let (data, copy) = (fixture.postgres.data(), directory.path().join("copy"));
    let store = fixture.store().await;
    write_the_past(&store).await;
    fixture.postgres.stop();
    fixture.copy(&data, &copy);
    fixture.postgres.start_again();
    is_back(&store).await;
    write_the_future(&store).await;
    // The store goes on, and is without a database for longer than it relies on the cache.
    fixture.postgres.stop();
    fixture.copy(&copy, &data);
    until("reads end", async || store.lookup(&key("k")).await.is_err()).await;
    fixture.postgres.start_again();
    is_back(&store).await;
    is_the_past(&store).await;
}

async fn is_back(store: &Arc<dyn KvStore>) {
    let put = async || store.put(&key("other"), "there").await.is_ok();
    until("the store is back", put).await;
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}
