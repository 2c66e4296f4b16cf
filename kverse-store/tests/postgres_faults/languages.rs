//! What goes wrong means the same in every language that the server speaks.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use kverse_core::{ErrorKind, KvStore, KvStoreExt, Write};
use kverse_store::postgres::PostgresStore;
use kverse_store::testing::{PostgresOptions, PostgresServer, TestDatabase};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::common::{config, exists, key};

/// Waits until the store waits for a lock.
const UNTIL_IT_WAITS: &str = "DO $$ BEGIN \
    WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock') \
    LOOP PERFORM pg_stat_clear_snapshot(); PERFORM pg_sleep(0.01); END LOOP; END $$";

/// A server that speaks German to all but superusers, who may choose.
fn german() -> &'static PostgresServer {
    static SERVER: OnceLock<PostgresServer> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = PostgresServer::start(PostgresOptions::default().with_language("de_DE"));
        server.sql("postgres", "CREATE ROLE ordinary LOGIN");
        server
    })
}

/// A database, and the URL of a user who is no superuser.
fn database() -> (TestDatabase<'static>, String) {
    let database = german().create_database();
    database.sql(&format!(
        "ALTER DATABASE {} OWNER TO ordinary",
        database.name()
    ));
    let url = database.url().replace("kverse@", "ordinary@");
    (database, url)
}

/// Locks `key` and, once a store waits for it, does something, with the lock still held. Returns when the key is locked.
async fn lock(database: &TestDatabase<'_>, key: &str, then: &str) -> JoinHandle<String> {
    let name = database.name().to_owned();
    let sql = format!(
        "BEGIN; SET LOCAL deadlock_timeout = '1min'; SELECT FROM kv WHERE key = '{key}' FOR UPDATE; \
         SELECT pg_advisory_xact_lock(1); {UNTIL_IT_WAITS}; {then}; COMMIT"
    );
    let holder = tokio::task::spawn_blocking(move || german().sql(&name, &sql));
    let locked = "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database \
                  WHERE locktype = 'advisory' AND objid = 1 AND datname = current_database()";
    while database.sql(locked) == "0" {
        assert!(!holder.is_finished());
        sleep(Duration::from_millis(10)).await;
    }
    holder
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_way_in_a_deadlock_tries_again() {
    let (database, url) = database();
    let store = PostgresStore::open(config(&url)).await.unwrap();
    let writes = |value: &'static str| ["a", "b"].map(|name| Write::put(key(name), value));
    store.write(writes("old").to_vec()).await.unwrap();
    for careful in [false, true] {
        // The store has locked the first key.
        let holder = lock(&database, "b", "SELECT FROM kv WHERE key = 'a' FOR UPDATE").await;
        let writes = writes("new").map(|write| match careful {
            true => write.with_options(exists()),
            false => write,
        });
        for outcome in store.write(writes.to_vec()).await.unwrap() {
            assert!(outcome.unwrap().existed);
        }
        holder.await.unwrap();
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    // Counted when the connections that gave way are over.
    let deadline = Instant::now() + Duration::from_secs(10);
    while database.sql(deadlocks) != "2" {
        assert!(Instant::now() < deadline, "{}", database.sql(deadlocks));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_the_server_ends_is_no_defect() {
    const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                             WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let (database, url) = database();
    let store = PostgresStore::open(config(&url)).await.unwrap();
    store.put(&key("k"), "old").await.unwrap();

    let holder = lock(&database, "k", TERMINATE).await;
    // Nobody knows whether it had been committed.
    let error = store.put(&key("k"), "new").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    holder.await.unwrap();
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "old");

    let holder = lock(&database, "k", TERMINATE).await;
    // It had not.
    store.put_opts(&key("k"), "new", exists()).await.unwrap();
    holder.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_is_told_in_english() {
    for (is_superuser, expected) in [(false, ErrorKind::Internal), (true, ErrorKind::Unavailable)] {
        let (database, ordinary) = database();
        let url = if is_superuser {
            database.url()
        } else {
            ordinary
        };
        let config = config(&url).with_statement_timeout(Duration::from_millis(100));
        let store = PostgresStore::open(config).await.unwrap();
        store.put(&key("k"), "old").await.unwrap();
        let holder = lock(&database, "k", "SELECT pg_sleep(2)").await;
        let error = store.put(&key("k"), "new").await.unwrap_err();
        assert!(!holder.is_finished());
        assert_eq!(error.kind(), expected, "{error:?}");
        holder.await.unwrap();
        assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "old");
    }
}
