//! Operations that are done together or not at all.

use super::{AnyBackend, key, value};
use crate::{
    ErrorKind, Key, KvStore, KvStoreExt, Operation, OperationOutcome, Precondition, Result,
    Version, Write, WriteOutcome,
};

fn get(text: &str) -> Operation {
    check(text, Precondition::None)
}

fn check(text: &str, precondition: Precondition) -> Operation {
    Operation::Get {
        key: key(text),
        precondition,
    }
}

fn put(text: &str, value: &'static str) -> Operation {
    Operation::Write(Write::put(key(text), value))
}

fn delete(text: &str) -> Operation {
    Operation::Write(Write::delete(key(text)))
}

fn conditional(write: Write, precondition: Precondition) -> Operation {
    Operation::Write(write.with_precondition(precondition))
}

fn written(outcome: &OperationOutcome) -> WriteOutcome {
    match outcome {
        OperationOutcome::Write(outcome) => *outcome,
        OperationOutcome::Get(_) => panic!("the outcome of a get in the place of a write's"),
    }
}

fn found(outcome: &OperationOutcome) -> Option<(bytes::Bytes, Version)> {
    match outcome {
        OperationOutcome::Get(entry) => entry.clone().map(|entry| (entry.value, entry.version)),
        OperationOutcome::Write(_) => panic!("the outcome of a write in the place of a get's"),
    }
}

#[track_caller]
fn assert_conflict<T: std::fmt::Debug>(
    result: Result<T>,
    operation: usize,
    current: Option<Version>,
) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(error.operation(), Some(operation), "{error}");
    assert_eq!(error.current_version(), current, "{error}");
}

async fn values(store: &dyn KvStore, texts: &[&str]) -> Vec<Option<bytes::Bytes>> {
    let mut values = Vec::new();
    for text in texts {
        values.push(value(store, &key(text)).await);
    }
    values
}

/// All operations are done, and their outcomes are in their order.
pub async fn all_operations_are_done_in_order(backend: &AnyBackend) {
    let store = backend.store();
    let old = store.put(&key("b"), "old").await.unwrap().version;
    store.put(&key("c"), "old").await.unwrap();
    let operations = vec![
        put("d", "new"),
        get("b"),
        delete("c"),
        get("missing"),
        put("a", "new"),
    ];
    let outcomes = store.transact(operations).await.unwrap();
    assert_eq!(outcomes.len(), 5);
    assert!(!written(&outcomes[0]).existed);
    assert_eq!(found(&outcomes[1]), Some(("old".into(), old)));
    assert!(written(&outcomes[2]).existed);
    assert_eq!(found(&outcomes[3]), None);
    assert!(!written(&outcomes[4]).existed);
    for (index, text) in [(0, "d"), (4, "a")] {
        let entry = store.get(&key(text)).await.unwrap().unwrap();
        assert_eq!(
            (entry.value, entry.version),
            ("new".into(), written(&outcomes[index]).version)
        );
    }
    assert_eq!(value(&store, &key("c")).await, None);
}

/// If one operation cannot be done, none is: nothing of the others is visible, in gets, scans, or counts.
pub async fn a_failed_transaction_changes_nothing(backend: &AnyBackend) {
    let store = backend.store();
    let version = store.put(&key("b"), "old").await.unwrap().version;
    store.put(&key("c"), "old").await.unwrap();
    let keys: Vec<Key> = ["a", "b", "c", "d"].into_iter().map(key).collect();
    let before = store.read(&keys).await.unwrap();
    let operations = vec![
        put("a", "new"),
        put("b", "new"),
        delete("c"),
        conditional(Write::put(key("d"), "new"), Precondition::Exists),
        put("a", "newer"),
    ];
    assert_conflict(store.transact(operations).await, 3, None);
    let entries = |read: Vec<crate::ReadOutcome>| -> Vec<_> {
        read.into_iter().map(|outcome| outcome.entry).collect()
    };
    assert_eq!(entries(store.read(&keys).await.unwrap()), entries(before));
    assert_eq!(store.stats().await.unwrap().items, 2);
    // Nothing is left over: the next write goes over the old version.
    let put = store
        .put_opts(
            &key("b"),
            "next",
            super::put_if(Precondition::Version(version)),
        )
        .await;
    assert!(put.unwrap().existed);
}

/// The error names the first operation that cannot be done, and the version that its key has.
pub async fn a_conflict_names_the_operation_and_the_version(backend: &AnyBackend) {
    let store = backend.store();
    let version = store.put(&key("a"), "value").await.unwrap().version;
    let gone = store.put(&key("gone"), "value").await.unwrap().version;
    store.delete(&key("gone")).await.unwrap();
    let other = Precondition::Version(Version::new(version.get() + 1));
    let cases = [
        (
            conditional(Write::put(key("a"), "new"), Precondition::Absent),
            Some(version),
        ),
        (
            conditional(Write::put(key("a"), "new"), other),
            Some(version),
        ),
        (conditional(Write::delete(key("a")), other), Some(version)),
        (check("a", Precondition::Absent), Some(version)),
        (check("a", other), Some(version)),
        (
            conditional(Write::put(key("gone"), "new"), Precondition::Exists),
            None,
        ),
        (
            conditional(Write::delete(key("gone")), Precondition::Version(gone)),
            None,
        ),
        (check("missing", Precondition::Exists), None),
        (check("missing", Precondition::Version(Version::NONE)), None),
    ];
    for (failing, current) in cases {
        for index in 0..3 {
            let mut operations = vec![get("a"), put("z", "value")];
            operations.insert(index, failing.clone());
            // A second one that would fail too: the first counts.
            operations.push(check("missing", Precondition::Exists));
            assert_conflict(store.transact(operations).await, index, current);
        }
    }
    assert_eq!(
        values(&store, &["a", "gone", "z"]).await,
        [Some("value".into()), None, None]
    );
}

/// An operation sees what the operations before it did: gets, preconditions and further writes of the same key.
pub async fn operations_see_the_writes_before_them(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    let operations = vec![
        get("k"),
        conditional(Write::put(k.clone(), "one"), Precondition::Absent),
        get("k"),
        conditional(Write::put(k.clone(), "two"), Precondition::Exists),
        check("k", Precondition::Exists),
        delete("k"),
        check("k", Precondition::Absent),
        delete("k"),
        put("k", "three"),
    ];
    let outcomes = store.transact(operations).await.unwrap();
    assert_eq!(found(&outcomes[0]), None);
    assert_eq!(
        found(&outcomes[2]),
        Some(("one".into(), written(&outcomes[1]).version))
    );
    assert_eq!(
        found(&outcomes[4]),
        Some(("two".into(), written(&outcomes[3]).version))
    );
    assert_eq!(found(&outcomes[6]), None);
    let existed: Vec<_> = [1, 3, 5, 7, 8]
        .iter()
        .map(|i| written(&outcomes[*i]).existed)
        .collect();
    assert_eq!(existed, [false, true, true, false, false]);
    let versions: Vec<_> = [1, 3, 5, 8]
        .iter()
        .map(|i| written(&outcomes[*i]).version)
        .collect();
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    let entry = store.get(&k).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.version), ("three".into(), versions[3]));
}

/// A precondition that only an earlier operation of the same transaction broke fails it all the same.
pub async fn a_transaction_can_break_its_own_precondition(backend: &AnyBackend) {
    let store = backend.store();
    let version = store.put(&key("a"), "old").await.unwrap().version;
    let stale = conditional(
        Write::put(key("a"), "newer"),
        Precondition::Version(version),
    );
    let error = store
        .transact(vec![put("a", "new"), stale])
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Conflict, Some(1))
    );
    assert!(
        error
            .current_version()
            .is_some_and(|current| current > version)
    );
    let entry = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.version), ("old".into(), version));
}

/// A get with a precondition is a check without a write: it guards the writes of the transaction.
pub async fn a_get_with_a_precondition_guards_the_writes(backend: &AnyBackend) {
    let store = backend.store();
    let version = store.put(&key("guard"), "value").await.unwrap().version;
    let guarded = |value| {
        vec![
            put("a", value),
            check("guard", Precondition::Version(version)),
        ]
    };
    let outcomes = store.transact(guarded("one")).await.unwrap();
    assert_eq!(found(&outcomes[1]), Some(("value".into(), version)));
    let next = store.put(&key("guard"), "other").await.unwrap().version;
    assert_conflict(store.transact(guarded("two")).await, 1, Some(next));
    assert_eq!(value(&store, &key("a")).await, Some("one".into()));
}

/// Content type and expiry are stored as by a single put, and gets return them.
pub async fn a_transaction_stores_entries_whole(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let options = crate::PutOptions::default()
        .with_ttl(std::time::Duration::from_secs(3600))
        .with_content_type(Some("text/plain".parse().unwrap()));
    let write = Write::put(key.clone(), "value").with_options(options);
    let outcomes = store
        .transact(vec![Operation::Write(write), get("k")])
        .await
        .unwrap();
    let entry = store.get(&key).await.unwrap();
    assert_eq!(outcomes[1], OperationOutcome::Get(entry.clone()));
    let entry = entry.unwrap();
    assert_eq!(entry.content_type.unwrap().as_str(), "text/plain");
    assert!(entry.expires_at.is_some());
    assert_eq!(entry.expires_at, written(&outcomes[0]).expires_at);
}

/// A transaction of nothing, and one that only reads, is done.
pub async fn a_transaction_may_be_empty_or_only_read(backend: &AnyBackend) {
    let store = backend.store();
    assert!(store.transact(Vec::new()).await.unwrap().is_empty());
    let version = store.put(&key("a"), "value").await.unwrap().version;
    let outcomes = store
        .transact(vec![get("missing"), get("a"), get("a")])
        .await
        .unwrap();
    let a = Some(("value".into(), version));
    assert_eq!(
        outcomes.iter().map(found).collect::<Vec<_>>(),
        [None, a.clone(), a]
    );
}
