//! Expired entries and tombstones.

use std::time::Duration;

use kverse_core::{KvStore, KvStoreExt, PutOptions, Write};
use kverse_store::postgres::PostgresStore;
use kverse_store::testing::PostgresServer;
use tokio::time::{sleep, timeout};

use crate::common::{config, key};

#[tokio::test]
async fn sweeps_bury_expired_entries_and_forget_old_tombstones() {
    let database = PostgresServer::shared().create_database();
    let config = config(&database.url()).with_tombstone_retention(Duration::ZERO);
    let store = PostgresStore::open(config).await.unwrap();
    let gone = PutOptions::default().with_ttl(Duration::from_millis(1));
    let writes = (0..600).map(|number| Write::put(key(number), "value").with_options(gone.clone()));
    let first = store.write(writes.collect()).await.unwrap();
    store.put(&key("stays"), "value").await.unwrap();
    sleep(Duration::from_millis(5)).await;
    let (one, other) = tokio::join!(store.sweep(), store.sweep());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.expired + other.expired, 600, "each once");
    let again = store.sweep().await.unwrap();
    assert_eq!(one.removed + other.removed + again.removed, 600);
    assert_eq!(database.sql("SELECT count(*) FROM kv"), "1");
    let outcome = store.put(&key(0), "value").await.unwrap();
    assert!(!outcome.existed && outcome.version > first[0].as_ref().unwrap().version);
}

#[tokio::test]
async fn replicas_that_sweep_at_once_bury_each_row_once() {
    const ROWS: i32 = 1500;
    let database = PostgresServer::shared().create_database();
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(PostgresStore::open(config(&database.url())).await.unwrap());
    }
    database.sql(
        "CREATE TABLE buried (key TEXT); \
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO buried VALUES (NEW.key); RETURN NULL; END'; \
         CREATE TRIGGER note AFTER UPDATE ON kv FOR EACH ROW \
         WHEN (NEW.value IS NULL) EXECUTE FUNCTION note()",
    );
    let gone = PutOptions::default().with_ttl(Duration::from_millis(1));
    for numbers in (0..ROWS).collect::<Vec<_>>().chunks(500) {
        let put = |number: &i32| Write::put(key(*number), "value").with_options(gone.clone());
        let outcomes = stores[0].write(numbers.iter().map(put).collect()).await;
        assert!(outcomes.unwrap().iter().all(Result::is_ok));
    }
    sleep(Duration::from_millis(5)).await;
    let mut expired = 0;
    while expired < ROWS as u64 {
        let (a, b, c) = tokio::join!(stores[0].sweep(), stores[1].sweep(), stores[2].sweep());
        let once = [a, b, c].map(|swept| swept.unwrap().expired);
        // Who meets another one may stop early, but somebody gets on.
        assert!(once.iter().sum::<u64>() > 0);
        expired += once.iter().sum::<u64>();
    }
    assert_eq!(expired, ROWS as u64);
    let counts = database.sql("SELECT count(*), count(DISTINCT key) FROM buried");
    assert_eq!(counts, format!("{ROWS}|{ROWS}"));
}

#[tokio::test]
async fn replicas_sweep_by_themselves() {
    let database = PostgresServer::shared().create_database();
    let config = config(&database.url()).with_sweep_interval(Duration::from_millis(50));
    let stores = [
        PostgresStore::open(config.clone()).await.unwrap(),
        PostgresStore::open(config).await.unwrap(),
    ];
    let gone = PutOptions::default().with_ttl(Duration::from_millis(1));
    stores[0].put_opts(&key("k"), "value", gone).await.unwrap();
    let buried = async {
        while database.sql("SELECT count(*) FROM kv WHERE deleted_at IS NOT NULL") == "0" {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), buried).await.unwrap();
}
