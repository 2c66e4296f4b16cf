//! Many tasks at once.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{AnyBackend, assert_precondition_failed, key, put_if, value};
use crate::{
    ErrorKind, Key, KvStore, KvStoreExt, Operation, OperationOutcome, Precondition, Version, Write,
};

/// Runs so many tasks at once and returns what they return, in their order.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    tasks: usize,
    task: impl Fn(usize) -> F,
) -> Vec<T> {
    let tasks: Vec<_> = (0..tasks).map(|i| tokio::spawn(task(i))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

fn number(value: &[u8]) -> i64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// No increment of a counter is lost, however many tasks increment it at once.
pub async fn no_update_of_a_counter_is_lost(backend: &AnyBackend) {
    const TASKS: usize = 32;
    // A failed attempt means that another task has succeeded, so that the attempts of `update` suffice for 32 tasks.
    let store = backend.store();
    at_once(TASKS, |_| {
        let store = Arc::clone(&store);
        async move {
            let increment = |entry: Option<&crate::Entry>| {
                let count = entry.map_or(0, |entry| number(&entry.value));
                Some((count + 1).to_string().into())
            };
            assert!(
                store
                    .update(&key("counter"), increment)
                    .await
                    .unwrap()
                    .is_some()
            );
        }
    })
    .await;
    let count = value(&store, &key("counter")).await.unwrap();
    assert_eq!(number(&count), TASKS as i64);
}

/// Of many that create a key, or replace one version of it, exactly one succeeds, and the value is that one's.
pub async fn exactly_one_of_many_wins(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    let mut expected = None;
    for round in 0..5 {
        let outcomes = at_once(16, |i| {
            let (store, k) = (Arc::clone(&store), k.clone());
            async move {
                store
                    .compare_and_swap(&k, expected, format!("{round}/{i}"))
                    .await
            }
        })
        .await;
        let winners: Vec<_> = (0..16).filter(|i| outcomes[*i].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        let version = outcomes[winners[0]].as_ref().unwrap().version;
        for loser in outcomes.into_iter().filter(Result::is_err) {
            assert_precondition_failed(loser, Some(version));
        }
        let entry = store.get(&k).await.unwrap().unwrap();
        assert_eq!(entry.value, format!("{round}/{}", winners[0]));
        assert_eq!(entry.version, version);
        expected = Some(version);
    }
}

/// Writes of a key get versions of their own, however many come at once, in single writes, batches and transactions.
pub async fn concurrent_writes_never_share_a_version(backend: &AnyBackend) {
    let store = backend.store();
    let versions = at_once(12, |i| {
        let store = Arc::clone(&store);
        async move {
            let put = || Write::put(key("k"), "value");
            let mut versions = Vec::new();
            for _ in 0..5 {
                match i % 3 {
                    0 => versions.push(store.write_one(put()).await.unwrap().version),
                    1 => {
                        let batch = vec![put(), Write::put(key("other"), "value"), put()];
                        let outcomes = store.write(batch).await.unwrap();
                        versions.extend([0, 2].map(|i| outcomes[i].as_ref().unwrap().version));
                    }
                    _ => match store.transact(vec![Operation::Write(put())]).await.unwrap()[0] {
                        OperationOutcome::Write(outcome) => versions.push(outcome.version),
                        OperationOutcome::Get(_) => panic!("the outcome of a get"),
                    },
                }
            }
            assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
            versions
        }
    })
    .await;
    let versions: Vec<_> = versions.into_iter().flatten().collect();
    let distinct: BTreeSet<_> = versions.iter().copied().collect();
    assert_eq!(distinct.len(), versions.len());
    let entry = store.get(&key("k")).await.unwrap().unwrap();
    assert_eq!(Some(&entry.version), distinct.last());
}

/// Transactions that move amounts between accounts keep the sum, and everyone who reads all accounts in a transaction sees
/// that sum.
pub async fn transfers_between_accounts_keep_the_sum(backend: &AnyBackend) {
    const ACCOUNTS: usize = 4;
    const START: i64 = 100;
    let store = backend.store();
    let account = |i: usize| key(&format!("account/{}", i % ACCOUNTS));
    for i in 0..ACCOUNTS {
        store.put(&account(i), START.to_string()).await.unwrap();
    }
    at_once(8, |task| {
        let store = Arc::clone(&store);
        async move {
            for round in 0..5 {
                let (from, to) = (account(task + round), account(task + 2 * round + 1));
                if from == to {
                    continue;
                }
                let mut attempts = 0;
                while !transfer(&store, &from, &to).await {
                    attempts += 1;
                    assert!(attempts < 1000, "no transfer in {attempts} attempts");
                }
                let get = |i| Operation::Get {
                    key: account(i),
                    precondition: Precondition::Exists,
                };
                let balances = store
                    .transact((0..ACCOUNTS).map(get).collect())
                    .await
                    .unwrap();
                let sum: i64 = balances.iter().map(balance).sum();
                assert_eq!(sum, START * ACCOUNTS as i64);
            }
        }
    })
    .await;
}

fn balance(outcome: &OperationOutcome) -> i64 {
    match outcome {
        OperationOutcome::Get(Some(entry)) => number(&entry.value),
        other => panic!("no balance: {other:?}"),
    }
}

/// Moves 1; whether no other transaction came between.
async fn transfer(store: &dyn KvStore, from: &Key, to: &Key) -> bool {
    let put = |key: &Key, entry: crate::Entry, change: i64| {
        let value = (number(&entry.value) + change).to_string();
        let precondition = Precondition::Version(entry.version);
        Operation::Write(Write::put(key.clone(), value).with_precondition(precondition))
    };
    let debit = put(from, store.get(from).await.unwrap().unwrap(), -1);
    let credit = put(to, store.get(to).await.unwrap().unwrap(), 1);
    match store.transact(vec![debit, credit]).await {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::Conflict => false,
        Err(error) => panic!("{error}"),
    }
}

/// Who has written a key reads that write or a later one, also while others write the same key.
pub async fn everyone_reads_their_own_writes(backend: &AnyBackend) {
    let store = backend.store();
    at_once(16, |task| {
        let store = Arc::clone(&store);
        async move {
            let k = key(&format!("k{}", task % 4));
            for round in 0..10 {
                let written = store
                    .put(&k, format!("{task}/{round}"))
                    .await
                    .unwrap()
                    .version;
                let entry = store.get(&k).await.unwrap().expect("nobody deletes it");
                assert!(
                    entry.version >= written,
                    "{} read after {written}",
                    entry.version
                );
                if entry.version == written {
                    assert_eq!(entry.value, format!("{task}/{round}"));
                }
            }
        }
    })
    .await;
}

/// A reader never sees a version older than one that it, or anyone before it, has seen or had acknowledged; and every
/// version with the value that it was written with.
pub async fn reads_never_go_back(backend: &AnyBackend) {
    const WRITES: usize = 40;
    let (store, k) = (backend.store(), key("k"));
    let first = store.put(&k, "first").await.unwrap().version;
    // What has been acknowledged or read: no later read may return less.
    let floor = Arc::new(AtomicU64::new(first.get()));
    let observed = at_once(8, |task| {
        let (store, k, floor) = (Arc::clone(&store), k.clone(), Arc::clone(&floor));
        async move {
            let mut observed = Vec::new();
            for round in 0..WRITES {
                if task < 2 {
                    let text = format!("{task}/{round}");
                    let version = store.put(&k, text.clone()).await.unwrap().version;
                    floor.fetch_max(version.get(), Ordering::SeqCst);
                    observed.push((version, text.into()));
                } else {
                    let least = Version::new(floor.load(Ordering::SeqCst));
                    let entry = store.get(&k).await.unwrap().expect("nobody deletes it");
                    assert!(
                        entry.version >= least,
                        "{} read after {least}",
                        entry.version
                    );
                    floor.fetch_max(entry.version.get(), Ordering::SeqCst);
                    observed.push((entry.version, entry.value));
                }
            }
            observed
        }
    })
    .await;
    let mut written = BTreeMap::from([(first, bytes::Bytes::from("first"))]);
    written.extend(observed[..2].iter().flatten().cloned());
    assert_eq!(written.len(), 2 * WRITES + 1);
    for (version, value) in observed[2..].iter().flatten() {
        assert_eq!(written.get(version), Some(value), "version {version}");
    }
}

/// Who reads keys in a transaction sees other transactions whole: never one of two keys that are written together.
pub async fn transactions_are_seen_whole(backend: &AnyBackend) {
    let store = backend.store();
    write_pair(&store, "start").await;
    at_once(6, |task| {
        let store = Arc::clone(&store);
        async move {
            for round in 0..15 {
                if task < 3 {
                    write_pair(&store, &format!("{task}/{round}")).await;
                } else {
                    read_pair(&store).await;
                }
            }
        }
    })
    .await;
}

async fn write_pair(store: &dyn KvStore, value: &str) {
    let put = |text| Operation::Write(Write::put(key(text), value.to_owned()));
    store
        .transact(vec![put("left"), put("right")])
        .await
        .unwrap();
}

/// The value of both keys, which are only written together.
async fn read_pair(store: &dyn KvStore) -> bytes::Bytes {
    let get = |text| Operation::Get {
        key: key(text),
        precondition: Precondition::Exists,
    };
    let outcomes = store
        .transact(vec![get("right"), get("left")])
        .await
        .unwrap();
    let values: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            OperationOutcome::Get(Some(entry)) => entry.value,
            other => panic!("no value: {other:?}"),
        })
        .collect();
    assert_eq!(values[0], values[1]);
    values[0].clone()
}

/// Batches that name the same keys in different orders get through together.
pub async fn batches_in_opposite_orders_get_through(backend: &AnyBackend) {
    let store = backend.store();
    at_once(8, |task| {
        let store = Arc::clone(&store);
        async move {
            for round in 0..5 {
                let mut texts: Vec<_> = (0..10).map(|i| format!("k{i}")).collect();
                if task % 2 == 0 {
                    texts.reverse();
                }
                let put = |text: &String| Write::put(key(text), format!("{task}/{round}"));
                let outcomes = store.write(texts.iter().map(put).collect()).await.unwrap();
                assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
                let operations = texts.iter().map(put).map(Operation::Write).collect();
                let outcomes = store.transact(operations).await.unwrap();
                assert_eq!(outcomes.len(), texts.len());
            }
        }
    })
    .await;
}

/// A write whose caller goes away is done whole or not at all, and the store goes on working.
pub async fn an_abandoned_write_is_done_whole_or_not_at_all(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    write_pair(&store, "start").await;
    store.put(&k, "start").await.unwrap();
    let mut possible = BTreeSet::from(["start".to_owned()]);
    for round in 0..40 {
        let text = format!("round {round}");
        let transaction = tokio::spawn({
            let (store, text) = (Arc::clone(&store), text.clone());
            async move { write_pair(&store, &text).await }
        });
        let put = tokio::spawn({
            let (store, k, text) = (Arc::clone(&store), k.clone(), text.clone());
            async move { store.put(&k, text).await }
        });
        for _ in 0..round % 8 {
            tokio::task::yield_now().await;
        }
        transaction.abort();
        put.abort();
        possible.insert(text);
        // It may still be under way, so any round may be what is found; but never half of one.
        let pair = read_pair(&store).await;
        assert!(possible.contains(std::str::from_utf8(&pair).unwrap()));
        let single = value(&store, &k).await.unwrap();
        assert!(possible.contains(std::str::from_utf8(&single).unwrap()));
    }
    let version = store.get(&k).await.unwrap().unwrap().version;
    let outcome = store
        .put_opts(&k, "end", put_if(Precondition::Exists))
        .await
        .unwrap();
    assert!(outcome.existed && outcome.version > version);
    write_pair(&store, "end").await;
    read_pair(&store).await;
}

/// A read whose caller goes away does no harm to the reads and writes of others.
pub async fn an_abandoned_read_harms_no_one(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    for round in 0..40 {
        let text = format!("round {round}");
        store.put(&k, text.clone()).await.unwrap();
        let read = |_| {
            let (store, k) = (Arc::clone(&store), k.clone());
            tokio::spawn(async move { value(&store, &k).await })
        };
        let abandoned: Vec<_> = (0..4).map(read).collect();
        let kept = read(0);
        for _ in 0..round % 4 {
            tokio::task::yield_now().await;
        }
        for task in &abandoned {
            task.abort();
        }
        assert_eq!(kept.await.unwrap(), Some(text.into()));
    }
}
