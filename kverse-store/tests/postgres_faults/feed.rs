//! The feed of changes: its order among transactions, compaction, and who keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::{
    Change, ChangeKind, ChangePosition, ChangesOptions, ErrorKind, Key, KvStore, KvStoreExt,
    Operation, OperationOutcome, Prefix, Version, Write,
};
use kverse_store::postgres::PostgresStore;
use kverse_store::testing::{PostgresServer, TestDatabase};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use crate::common::{config, key, open};

const SOON: Duration = Duration::from_secs(60);

fn all() -> ChangesOptions {
    ChangesOptions::new(Prefix::default()).with_limit(1000)
}

async fn now(store: &PostgresStore) -> ChangePosition {
    store.changes(all()).await.unwrap().position
}

/// Follows the feed until it has told so many changes.
async fn follow(store: &PostgresStore, since: ChangePosition, count: usize) -> Vec<Change> {
    let (mut changes, mut position) = (Vec::new(), since);
    let deadline = Instant::now() + SOON;
    while changes.len() < count {
        let page = store.changes(all().with_since(Some(position))).await;
        let page = page.unwrap();
        position = page.position;
        changes.extend(page.changes);
        assert!(Instant::now() < deadline, "{} of {count}", changes.len());
        if !page.more {
            sleep(Duration::from_millis(2)).await;
        }
    }
    changes
}

/// A connection of its own, with an open transaction.
async fn begin(database: &TestDatabase<'_>) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN").await.unwrap();
    client
}

async fn until_one_waits_for_a_lock(database: &TestDatabase<'_>) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let deadline = Instant::now() + SOON;
    while database.sql(waits) == "0" {
        assert!(Instant::now() < deadline, "nobody waits");
        sleep(Duration::from_millis(10)).await;
    }
}

/// A transaction that got its id early, waited for a row, and wrote it after one with a later id, while a third is under way
/// whose id is between the two: by their ids they would be told in the wrong order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transaction_that_waited_is_told_after_the_one_it_waited_for() {
    let database = PostgresServer::shared().create_database();
    let config = config(&database.url())
        .with_statement_timeout(SOON)
        .with_write_fence(SOON);
    let stores = [
        Arc::new(PostgresStore::open(config.clone()).await.unwrap()),
        Arc::new(PostgresStore::open(config).await.unwrap()),
    ];
    let mut start = now(&stores[0]).await;
    for transaction in [false, true] {
        stores[0].put(&key("held"), "0").await.unwrap();
        start = follow(&stores[0], start, 1).await[0].position;
        let holder = begin(&database).await;
        let hold = "SELECT FROM kv WHERE key = 'held' FOR UPDATE";
        holder.batch_execute(hold).await.unwrap();

        // T1 gets its id with `first`, and waits in front of `shared`.
        let late = tokio::spawn({
            let store = Arc::clone(&stores[0]);
            async move {
                let put = |text| Write::put(key(text), "late");
                let writes = ["first", "held", "shared"].map(put).to_vec();
                if transaction {
                    let operations = writes.into_iter().map(Operation::Write);
                    store.transact(operations.collect()).await.unwrap();
                } else {
                    for outcome in store.write(writes).await.unwrap() {
                        outcome.unwrap();
                    }
                }
            }
        });
        until_one_waits_for_a_lock(&database).await;
        // T3, between the two.
        let between = begin(&database).await;
        let id = "SELECT pg_current_xact_id()::text";
        let between_id: u64 = text(&between, id).await.parse().unwrap();
        // T2.
        let early = stores[1].put(&key("shared"), "early").await.unwrap();
        holder.batch_execute("ROLLBACK").await.unwrap();
        late.await.unwrap();

        // By the ids, a reader could tell T1 and not yet T2.
        let newest = |count: usize| {
            let id = format!(
                "SELECT xmin::text FROM change WHERE count = {count} ORDER BY told_at DESC LIMIT 1"
            );
            database.sql(&id).parse::<u64>().unwrap()
        };
        assert!(newest(3) < between_id && between_id < newest(1));
        let page = stores[0].changes(all().with_since(Some(start))).await;
        assert!(page.unwrap().changes.is_empty(), "T3 is under way");

        between.batch_execute("COMMIT").await.unwrap();
        let changes = follow(&stores[0], start, 4).await;
        let keys: Vec<_> = changes.iter().map(|change| change.key.as_str()).collect();
        assert_eq!(keys, ["shared", "first", "held", "shared"]);
        assert_eq!(changes[0].version, early.version);
        assert!(changes[3].version > early.version);
        start = changes[3].position;
    }
}

async fn text(client: &Client, sql: &str) -> String {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Two replicas write the same keys in every way while others begin and end transactions, and a third follows: each write
/// is told once, those of a key in the order of their versions, and nothing appears behind the reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_out_of_order_while_replicas_write() {
    const WRITERS: usize = 8;
    const ROUNDS: usize = 100;
    const BATCH: usize = 30;
    const CHANGES: usize = WRITERS * ROUNDS * BATCH;
    let database = PostgresServer::shared().create_database();
    let stores = [open(&database.url()).await, open(&database.url()).await];
    let start = now(&stores[0]).await;
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&stores[writer % 2]);
        writers.spawn(async move { write(&store, writer, ROUNDS, BATCH).await });
    }
    let bystander = tokio::spawn({
        let (holder, other) = (begin(&database).await, begin(&database).await);
        async move {
            loop {
                for client in [&holder, &other] {
                    client.batch_execute("COMMIT; BEGIN").await.unwrap();
                    text(client, "SELECT pg_current_xact_id()::text").await;
                    sleep(Duration::from_millis(7)).await;
                }
            }
        }
    });
    let third = open(&database.url()).await;
    let changes = follow(&third, start, CHANGES).await;
    bystander.abort();
    let mut written: BTreeMap<Key, Vec<Version>> = BTreeMap::new();
    for (key, version) in writers.join_all().await.into_iter().flatten() {
        written.entry(key).or_default().push(version);
    }
    for versions in written.values_mut() {
        versions.sort_unstable();
    }
    let mut told: BTreeMap<Key, Vec<Version>> = BTreeMap::new();
    for change in changes {
        told.entry(change.key).or_default().push(change.version);
    }
    assert_eq!(told, written);
}

async fn write(
    store: &PostgresStore,
    writer: usize,
    rounds: usize,
    batch: usize,
) -> Vec<(Key, Version)> {
    let mut written = Vec::with_capacity(rounds * batch);
    for round in 0..rounds {
        // Keys in an order of the round's own; some of them are those of others.
        let number = |i: usize| (writer * 11 + i * 7 + round) % 101;
        let writes: Vec<_> = (0..batch)
            .map(|i| Write::put(key(number(i)), "value"))
            .collect();
        let keys: Vec<_> = writes.iter().map(|write| write.key.clone()).collect();
        let versions: Vec<_> = if round % 4 == 3 {
            let operations = writes.into_iter().map(Operation::Write).collect();
            let outcomes = store.transact(operations).await.unwrap();
            let version = |outcome| match outcome {
                OperationOutcome::Write(outcome) => outcome.version,
                OperationOutcome::Get(_) => panic!("the outcome of a get"),
            };
            outcomes.into_iter().map(version).collect()
        } else {
            let outcomes = store.write(writes).await.unwrap();
            let version =
                |outcome: kverse_core::Result<kverse_core::WriteOutcome>| outcome.unwrap().version;
            outcomes.into_iter().map(version).collect()
        };
        written.extend(keys.into_iter().zip(versions));
    }
    written
}

#[tokio::test]
async fn what_is_compacted_is_gone_and_what_follows_is_not() {
    let database = PostgresServer::shared().create_database();
    let config = config(&database.url());
    let keeps = PostgresStore::open(config.clone()).await.unwrap();
    let retention = Some(Duration::from_millis(1));
    let sweeps = PostgresStore::open(config.with_change_retention(retention));
    let sweeps = sweeps.await.unwrap();
    let start = now(&keeps).await;
    // More than one step of a sweep.
    for number in 0..300 {
        keeps.put(&key(number), "value").await.unwrap();
    }
    let changes = follow(&keeps, start, 300).await;
    let last = changes[299].position;
    sleep(Duration::from_millis(5)).await;
    let (one, other) = tokio::join!(sweeps.sweep(), sweeps.sweep());
    let compacted = one.unwrap().compacted + other.unwrap().compacted;
    assert_eq!(compacted, 300, "each once");
    assert_eq!(database.sql("SELECT count(*) FROM change"), "0");
    for gone in [start, changes[0].position, changes[298].position] {
        let error = keeps.changes(all().with_since(Some(gone))).await;
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Gone);
    }
    keeps.put(&key("k"), "new").await.unwrap();
    let next = follow(&keeps, last, 1).await;
    assert_eq!(
        (next[0].key.clone(), next[0].kind),
        (key("k"), ChangeKind::Put)
    );
}

#[tokio::test]
async fn two_replicas_tell_each_expiry_once() {
    let database = PostgresServer::shared().create_database();
    let stores = [open(&database.url()).await, open(&database.url()).await];
    let start = now(&stores[0]).await;
    let ttl = kverse_core::PutOptions::default().with_ttl(Duration::from_millis(1));
    let puts = (0..600).map(|number| Write::put(key(number), "value").with_options(ttl.clone()));
    stores[0].write(puts.collect()).await.unwrap();
    sleep(Duration::from_millis(5)).await;
    let (one, other) = tokio::join!(stores[0].sweep(), stores[1].sweep());
    assert_eq!(one.unwrap().expired + other.unwrap().expired, 600);
    stores[1].put(&key("last"), "value").await.unwrap();
    let changes = follow(&stores[1], start, 1201).await;
    assert_eq!(changes.len(), 1201);
    let expired = changes
        .iter()
        .filter(|change| change.kind == ChangeKind::Expire);
    let mut keys: Vec<_> = expired.map(|change| change.key.clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 600);
}

#[tokio::test]
async fn a_feed_that_was_switched_off_begins_anew() {
    let database = PostgresServer::shared().create_database();
    let config = config(&database.url());
    let store = PostgresStore::open(config.clone()).await.unwrap();
    let start = now(&store).await;
    store.put(&key("before"), "value").await.unwrap();
    drop(store);

    let off = config.clone().with_change_retention(Some(Duration::ZERO));
    let store = PostgresStore::open(off).await.unwrap();
    assert!(!store.capabilities().changes);
    store.put(&key("untold"), "value").await.unwrap();
    let error = store.changes(all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("--change-retention"), "{error}");
    assert_eq!(database.sql("SELECT count(*) FROM change"), "0");

    let guest = config.clone().with_change_retention(None);
    let guest = PostgresStore::open(guest.clone()).await.unwrap();
    assert!(!guest.capabilities().changes, "a guest does as the others");

    let store = PostgresStore::open(config).await.unwrap();
    let error = store.changes(all().with_since(Some(start))).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Gone);
    let anew = now(&store).await;
    store.put(&key("told"), "value").await.unwrap();
    assert_eq!(follow(&store, anew, 1).await[0].key, key("told"));
}

/// As after a dump was loaded into another server: the rows are of transactions that this one has not seen yet.
#[tokio::test]
async fn a_copy_on_another_server_begins_its_feed_anew() {
    let database = PostgresServer::shared().create_database();
    let store = open(&database.url()).await;
    let start = now(&store).await;
    store.put(&key("k"), "value").await.unwrap();
    drop(store);
    database.sql("UPDATE feed SET store = 'another'; UPDATE change SET place = place + 1000000");
    let store = open(&database.url()).await;
    let error = store.changes(all().with_since(Some(start))).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Gone);
    assert_eq!(database.sql("SELECT count(*) FROM change"), "0");
    let anew = now(&store).await;
    store.put(&key("k"), "new").await.unwrap();
    assert_eq!(follow(&store, anew, 1).await.len(), 1);
}
