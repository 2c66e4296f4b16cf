//! Retries of a write: the store recognises the last write of each key by its id.

use std::time::Duration;

use super::{AnyBackend, assert_precondition_failed, key, put_if, value};
use crate::{
    ErrorKind, KvStore, KvStoreExt, Operation, OperationOutcome, Precondition, PutOptions, Version,
    Write, WriteId,
};

/// A put that is sent again is not done again: it gets its first outcome, although its precondition no longer holds.
pub async fn a_retried_put_gets_its_first_outcome(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    let create = Write::put(k.clone(), "one").with_precondition(Precondition::Absent);
    let first = store.write_one(create.clone()).await.unwrap();
    assert!(!first.existed && !first.replayed);
    for _ in 0..2 {
        assert_eq!(
            store.write_one(create.clone()).await.unwrap(),
            first.with_replayed(true)
        );
    }
    let replace =
        Write::put(k.clone(), "two").with_precondition(Precondition::Version(first.version));
    let second = store.write_one(replace.clone()).await.unwrap();
    assert!(second.existed && !second.replayed);
    assert_eq!(
        store.write_one(replace).await.unwrap(),
        second.with_replayed(true)
    );
    assert_eq!(
        store.get(&k).await.unwrap().unwrap().version,
        second.version
    );
}

/// A delete that is sent again still says that it removed the entry.
pub async fn a_retried_delete_gets_its_first_outcome(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    store.put(&k, "value").await.unwrap();
    let delete = Write::delete(k.clone()).with_precondition(Precondition::Exists);
    let first = store.write_one(delete.clone()).await.unwrap();
    assert!(first.existed && !first.replayed);
    assert_eq!(
        store.write_one(delete).await.unwrap(),
        first.with_replayed(true)
    );
    assert_eq!(value(&store, &k).await, None);
}

/// A retry does not prolong the entry: its time to live counts from the first time.
pub async fn a_retry_does_not_prolong_the_entry(backend: &mut AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    let options = PutOptions::default().with_ttl(Duration::from_secs(3600));
    let put = Write::put(k.clone(), "value").with_options(options);
    let first = store.write_one(put.clone()).await.unwrap();
    backend.advance(Duration::from_millis(10)).await;
    assert_eq!(
        store.write_one(put).await.unwrap(),
        first.with_replayed(true)
    );
    assert_eq!(
        store.get(&k).await.unwrap().unwrap().expires_at,
        first.expires_at
    );
}

/// The same write with another id is another write, and so is the same id on another key.
pub async fn another_id_or_another_key_is_another_write(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    let put = Write::put(k.clone(), "value");
    let first = store.write_one(put.clone()).await.unwrap();
    let other_id = put.clone().with_write_id(WriteId::random());
    let second = store.write_one(other_id).await.unwrap();
    assert!(second.existed && !second.replayed && second.version > first.version);
    let other_key = Write::put(key("other"), "value").with_write_id(put.write_id);
    let third = store.write_one(other_key).await.unwrap();
    assert!(!third.existed && !third.replayed);
    assert_eq!(value(&store, &key("other")).await, Some("value".into()));
}

/// A store remembers the last write of a key only. A retry after another write of the key is done as a new write, and
/// what protects it is its precondition: so a client that retries unconditional writes must not have two on one key at once.
pub async fn a_retry_after_another_write_is_a_new_write(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    let create = Write::put(k.clone(), "one").with_precondition(Precondition::Absent);
    let put = Write::put(k.clone(), "two");
    store.write_one(create.clone()).await.unwrap();
    store.write_one(put.clone()).await.unwrap();
    let last = store.put(&k, "three").await.unwrap().version;
    assert_precondition_failed(store.write_one(create).await, Some(last));
    let again = store.write_one(put).await.unwrap();
    assert!(again.existed && !again.replayed && again.version > last);
    assert_eq!(value(&store, &k).await, Some("two".into()));
}

/// A write that was not done is not remembered: it can be sent again, with the same id, once it can be done.
pub async fn a_failed_write_is_not_remembered(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    let replace = Write::put(k.clone(), "two").with_precondition(Precondition::Exists);
    assert_precondition_failed(store.write_one(replace.clone()).await, None);
    assert_precondition_failed(store.write_one(replace.clone()).await, None);
    let put = Write::put(k.clone(), "one");
    let first = store.write_one(put.clone()).await.unwrap();
    let absent = Write::put(k.clone(), "x").with_precondition(Precondition::Absent);
    assert_precondition_failed(store.write_one(absent).await, Some(first.version));
    // The failure has not displaced the id of the last write that was done.
    assert_eq!(
        store.write_one(put).await.unwrap(),
        first.with_replayed(true)
    );
    let outcome = store.write_one(replace).await.unwrap();
    assert!(outcome.existed && !outcome.replayed);
}

/// A delete that found nothing changed nothing: it does not displace the id of the last write of the key.
pub async fn a_delete_of_a_missing_key_displaces_no_id(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    store.put(&k, "value").await.unwrap();
    let delete = Write::delete(k.clone());
    let first = store.write_one(delete.clone()).await.unwrap();
    assert!(!store.delete(&k).await.unwrap());
    assert_eq!(
        store.write_one(delete).await.unwrap(),
        first.with_replayed(true)
    );
}

/// In a batch each write is recognised on its own, also one that the same batch has just done.
pub async fn a_batch_recognises_each_retry(backend: &AnyBackend) {
    let store = backend.store();
    let create = |text| Write::put(key(text), "value").with_precondition(Precondition::Absent);
    let (a, b, c) = (create("a"), create("b"), create("c"));
    let first = store.write_one(b.clone()).await.unwrap();
    let batch = vec![a.clone(), b.clone(), a.clone(), c.clone(), create("b")];
    let mut outcomes = store.write(batch.clone()).await.unwrap();
    assert_precondition_failed(outcomes.pop().unwrap(), Some(first.version));
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let replayed: Vec<_> = outcomes.iter().map(|outcome| outcome.replayed).collect();
    assert_eq!(replayed, [false, true, true, false]);
    assert_eq!(outcomes[1], first.with_replayed(true));
    assert_eq!(outcomes[2], outcomes[0].with_replayed(true));
    // The whole batch again, as after a lost answer.
    for (again, first) in store.write(batch).await.unwrap().into_iter().zip(&outcomes) {
        assert_eq!(again.unwrap(), first.with_replayed(true));
    }
}

/// A transaction that is sent again gets its first outcomes, although its preconditions no longer hold.
pub async fn a_retried_transaction_gets_its_first_outcomes(backend: &AnyBackend) {
    let store = backend.store();
    store.put(&key("b"), "value").await.unwrap();
    let operations = vec![
        Operation::Write(Write::put(key("a"), "value").with_precondition(Precondition::Absent)),
        Operation::Write(Write::delete(key("b")).with_precondition(Precondition::Exists)),
    ];
    let first = store.transact(operations.clone()).await.unwrap();
    let again = store.transact(operations).await.unwrap();
    let replayed: Vec<_> = first
        .into_iter()
        .map(|outcome| match outcome {
            OperationOutcome::Write(outcome) => {
                OperationOutcome::Write(outcome.with_replayed(true))
            }
            get => get,
        })
        .collect();
    assert_eq!(again, replayed);
    // Another transaction of the same content is not a retry.
    let result = store
        .put_opts(&key("a"), "value", put_if(Precondition::Absent))
        .await;
    assert!(result.is_err());
}

/// A transaction that is sent again is not stopped by its own effect: by the condition of a get, or by a second write of
/// the same key.
pub async fn a_retried_transaction_is_not_stopped_by_its_own_effect(backend: &AnyBackend) {
    let store = backend.store();
    let first = store.put(&key("a"), "one").await.unwrap().version;
    let unchanged = Precondition::Version(first);
    let operations = vec![
        Operation::Get {
            key: key("a"),
            precondition: unchanged,
        },
        Operation::Write(Write::put(key("a"), "two").with_precondition(unchanged)),
        Operation::Write(Write::put(key("a"), "three")),
        Operation::Get {
            key: key("b"),
            precondition: Precondition::Absent,
        },
        Operation::Write(Write::put(key("b"), "new")),
        Operation::Write(Write::delete(key("missing"))),
    ];
    let done = store.transact(operations.clone()).await.unwrap();
    for _ in 0..2 {
        let again = store.transact(operations.clone()).await.unwrap();
        for index in [2, 4] {
            let (OperationOutcome::Write(done), OperationOutcome::Write(again)) =
                (&done[index], &again[index])
            else {
                panic!("a write was answered as a get");
            };
            assert_eq!(*again, done.with_replayed(true));
        }
    }
    assert_eq!(value(&store, &key("a")).await, Some("three".into()));
    let mut other = operations;
    if let Operation::Write(write) = &mut other[4] {
        write.write_id = WriteId::random();
    }
    if let Operation::Write(write) = &mut other[2] {
        write.write_id = WriteId::random();
    }
    let error = store.transact(other).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.operation()),
        (ErrorKind::Conflict, Some(0))
    );
}

/// A transaction that is sent again is recognised as long as one of its writes is the last of its key, and then nothing of
/// it is done again: what others have written since stays.
pub async fn a_retried_transaction_is_recognised_by_any_of_its_writes(backend: &AnyBackend) {
    let store = backend.store();
    let create = |text| {
        Operation::Write(Write::put(key(text), "ours").with_precondition(Precondition::Absent))
    };
    let operations = vec![create("a"), create("b")];
    let done = store.transact(operations.clone()).await.unwrap();
    store.put(&key("a"), "theirs").await.unwrap();
    let again = store.transact(operations.clone()).await.unwrap();
    let (OperationOutcome::Write(a), OperationOutcome::Write(b)) = (&again[0], &again[1]) else {
        panic!("a write was answered as a get");
    };
    assert_eq!(
        (a.version, a.existed, a.replayed),
        (Version::NONE, false, true)
    );
    assert_eq!(&OperationOutcome::Write(b.with_replayed(false)), &done[1]);
    assert_eq!(value(&store, &key("a")).await, Some("theirs".into()));
    assert_eq!(value(&store, &key("b")).await, Some("ours".into()));
}

/// A transaction with a write that was done before, by itself or in another transaction, is not a retry as long as one of
/// its other writes was not done: that one is done now.
pub async fn a_transaction_is_no_retry_for_one_of_its_writes(backend: &AnyBackend) {
    let store = backend.store();
    store.put(&key("b"), "old").await.unwrap();
    let a = Write::put(key("a"), "one").with_precondition(Precondition::Absent);
    let first = store.write_one(a.clone()).await.unwrap();
    for other in ["b", "c"] {
        let operations = vec![
            Operation::Write(a.clone()),
            Operation::Write(Write::put(key(other), "new")),
        ];
        let outcomes = store.transact(operations).await.unwrap();
        assert_eq!(
            outcomes[0],
            OperationOutcome::Write(first.with_replayed(true))
        );
        assert_eq!(
            value(&store, &key(other)).await,
            Some("new".into()),
            "{other}"
        );
    }
}
