//! Batches of puts through the store beside a bare upsert with tokio-postgres, on a PostgreSQL of its own that syncs its
//! commits: `cargo bench -p kverse-store --features postgres --bench postgres`. Both take turns, so that the ratio means
//! something on a busy machine.
#![expect(clippy::unwrap_used, reason = "benchmarks")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use kverse_core::{KvStore, KvStoreExt, Precondition, PutOptions, Write};
use kverse_store::postgres::{PostgresConfig, PostgresStore};
use kverse_store::testing::{PostgresOptions, PostgresServer};
use tokio_postgres::{Client, NoTls, Statement};

const KEYS: u64 = 100_000;
const ROUNDS: u32 = 15;

/// A PUT of the service with nothing around it: no expiry, no content type, no retries.
const BARE: &str = "INSERT INTO bare (key, value, version) \
    SELECT * FROM UNNEST($1::text[], $2::bytea[], $3::bigint[]) ORDER BY 1 \
    ON CONFLICT (key) DO UPDATE SET value = EXCLUDED.value, version = GREATEST(bare.version + 1, EXCLUDED.version) \
    RETURNING version";

struct Keys(u64);

impl Keys {
    /// Another key each time, far from the one before.
    fn next(&mut self) -> String {
        self.0 += 1;
        format!("user/{:019}", self.0 * 7919 % KEYS)
    }
}

/// Bytes that do not compress, as those of most large values.
fn value(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..bytes).map(|_| next()).collect()
}

async fn bare(client: &Client, statement: &Statement, keys: &mut Keys, batch: usize, bytes: usize) {
    let mut names: Vec<String> = (0..batch).map(|_| keys.next()).collect();
    names.sort();
    let value = value(bytes);
    let values: Vec<&[u8]> = names.iter().map(|_| value.as_slice()).collect();
    let versions = vec![0_i64; batch];
    let rows = client.query(statement, &[&names, &values, &versions]).await;
    assert_eq!(rows.unwrap().len(), batch);
}

async fn put(store: &PostgresStore, keys: &mut Keys, batch: usize, bytes: usize) {
    let value = Bytes::from(value(bytes));
    let writes = (0..batch).map(|_| Write::put(keys.next().parse().unwrap(), value.clone()));
    let outcomes = store.write(writes.collect()).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
}

async fn measure(
    batch: usize,
    bytes: usize,
    store: &PostgresStore,
    client: &Client,
    statement: &Statement,
) {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut our_keys, mut their_keys) = (Keys(0), Keys(0));
    for round in 0..=ROUNDS {
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < Duration::from_millis(150) {
            put(store, &mut our_keys, batch, bytes).await;
            count += 1;
        }
        let our = start.elapsed() / count;
        let start = Instant::now();
        let mut count = 0;
        while start.elapsed() < Duration::from_millis(150) {
            bare(client, statement, &mut their_keys, batch, bytes).await;
            count += 1;
        }
        // The first round warms up.
        if round > 0 {
            ours.push(our);
            theirs.push(start.elapsed() / count);
        }
    }
    ours.sort();
    theirs.sort();
    let (ours, theirs) = (ours[ours.len() / 2], theirs[theirs.len() / 2]);
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    println!(
        "{batch:5} puts of {bytes:6} bytes: {ours:9.1?} a batch, bare {theirs:9.1?}, ratio {ratio:.2}"
    );
}

#[tokio::main]
async fn main() {
    let server = PostgresServer::start(PostgresOptions::default().with_fsync(true));
    server.sql("postgres", "CREATE DATABASE kverse");
    let config = PostgresConfig::new(server.url("kverse").parse().unwrap());
    let store = PostgresStore::open(config).await.unwrap();
    let (client, driver) = tokio_postgres::connect(&server.url("kverse"), NoTls)
        .await
        .unwrap();
    tokio::spawn(driver);
    let table = "CREATE TABLE bare (key TEXT COLLATE \"C\" PRIMARY KEY, value BYTEA, version BIGINT) WITH (fillfactor = 85)";
    client.batch_execute(table).await.unwrap();
    let statement = client.prepare(BARE).await.unwrap();
    let mut keys = Keys(0);
    for _ in 0..KEYS / 1000 {
        put(&store, &mut keys, 1000, 100).await;
    }
    for _ in 0..KEYS / 1000 {
        bare(&client, &statement, &mut keys, 1000, 100).await;
    }
    client.batch_execute("VACUUM ANALYZE").await.unwrap();
    for (batch, bytes) in [(1, 100), (64, 100), (256, 100), (64, 10_240)] {
        measure(batch, bytes, &store, &client, &statement).await;
    }

    let key = "user/0000000000000000001".parse().unwrap();
    let exists = PutOptions::default().with_precondition(Precondition::Exists);
    store.put(&key, "value").await.unwrap();
    let start = Instant::now();
    for _ in 0..500 {
        store.put_opts(&key, "value", exists.clone()).await.unwrap();
    }
    println!("    1 conditional put: {:.1?}", start.elapsed() / 500);
    let start = Instant::now();
    for _ in 0..5000 {
        store.get(&key).await.unwrap();
    }
    println!("    1 get: {:.1?}", start.elapsed() / 5000);
}
