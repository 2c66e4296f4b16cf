//! Replicas and others in each other's way.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kverse_core::{ErrorKind, Key, KvStore, KvStoreExt, Operation, Precondition, Version, Write};
use kverse_store::postgres::PostgresStore;
use kverse_store::testing::PostgresServer;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::common::{config, exists, key, open};

/// Two replicas write the same few keys in batches of every kind, in different orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn replicas_on_hot_keys_do_not_get_in_each_others_way() {
    const KEYS: u64 = 8;
    let database = PostgresServer::shared().create_database();
    let replicas = [open(&database.url()).await, open(&database.url()).await];
    let mut writers = JoinSet::new();
    for writer in 0..8_u64 {
        let store = Arc::clone(&replicas[writer as usize % 2]);
        writers.spawn(async move {
            let mut written: Vec<(Key, Version)> = Vec::new();
            for round in 0..40_u64 {
                let keys = (0..KEYS).map(|i| key((i * (2 * writer + 1) + round) % KEYS));
                match (writer + round) % 4 {
                    // Plain puts, conditional ones, deletes, a transaction.
                    0 => {
                        let writes: Vec<_> = keys.map(|key| Write::put(key, "plain")).collect();
                        write(&store, writes, &mut written).await;
                    }
                    1 => {
                        let writes = keys.map(|key| {
                            Write::put(key, "new").with_precondition(Precondition::Absent)
                        });
                        write(&store, writes.collect(), &mut written).await;
                    }
                    2 => {
                        write(
                            &store,
                            keys.take(3).map(Write::delete).collect(),
                            &mut written,
                        )
                        .await
                    }
                    _ => {
                        let put = |key| Operation::Write(Write::put(key, "transaction"));
                        store.transact(keys.map(put).collect()).await.unwrap();
                    }
                }
            }
            written
        });
    }
    let mut versions: HashMap<Key, Vec<Version>> = HashMap::new();
    for (key, version) in writers.join_all().await.into_iter().flatten() {
        versions.entry(key).or_default().push(version);
    }
    for (key, mut versions) in versions {
        let count = versions.len();
        versions.sort_unstable();
        versions.dedup();
        assert_eq!(
            versions.len(),
            count,
            "a version of {key} was given out twice"
        );
    }
    let leftovers = database.sql("SELECT count(*) FROM kv WHERE version = 0");
    assert_eq!(leftovers, "0", "rows made for locking stayed");
}

/// Writes a batch; nothing may fail but preconditions. Notes the versions of puts, which must grow for each key.
async fn write(store: &PostgresStore, writes: Vec<Write>, written: &mut Vec<(Key, Version)>) {
    let outcomes = store.write(writes.clone()).await.unwrap();
    for (write, outcome) in writes.into_iter().zip(outcomes) {
        match outcome {
            Ok(outcome) if matches!(write.action, kverse_core::WriteAction::Put { .. }) => {
                let last = written.iter().rev().find(|(key, _)| *key == write.key);
                assert!(last.is_none_or(|(_, last)| *last < outcome.version));
                written.push((write.key, outcome.version));
            }
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::PreconditionFailed, "{error:?}"),
        }
    }
}

/// Another transaction that holds a lock for too long fails the write, for sure and in time.
#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_is_waited_for_no_longer_than_a_statement_may_run() {
    let database = PostgresServer::shared().create_database();
    let config = config(&database.url()).with_statement_timeout(Duration::from_millis(300));
    let store = PostgresStore::open(config).await.unwrap();
    store.put(&key("k"), "old").await.unwrap();
    let locked = std::thread::scope(|scope| {
        let holder = scope.spawn(|| {
            database.sql(
                "BEGIN; SELECT FROM kv WHERE key = 'k' FOR UPDATE; SELECT pg_sleep(3); COMMIT",
            );
        });
        let runtime = tokio::runtime::Handle::current();
        let errors = tokio::task::block_in_place(|| {
            runtime.block_on(async {
                let waits = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' \
                             AND wait_event = 'PgSleep'";
                while database.sql(waits) == "0" {
                    sleep(Duration::from_millis(10)).await;
                }
                let plain = store.put(&key("k"), "new").await.unwrap_err();
                let careful = store.put_opts(&key("k"), "new", exists()).await.unwrap_err();
                [plain, careful]
            })
        });
        assert!(!holder.is_finished(), "the lock was not held long enough");
        errors
    });
    for error in locked {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.to_string().contains("took too long"), "{error}");
    }
    assert_eq!(store.get(&key("k")).await.unwrap().unwrap().value, "old");
}
