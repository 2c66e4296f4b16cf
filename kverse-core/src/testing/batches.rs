//! Independent writes in one call.

use super::{AnyBackend, assert_precondition_failed, key, value};
use crate::{KvStore, KvStoreExt, Precondition, Version, Write};

/// Outcomes are in the order of the writes, whatever the order of the keys.
pub async fn outcomes_are_in_the_order_of_the_writes(backend: &AnyBackend) {
    let store = backend.store();
    store.put(&key("b"), "old").await.unwrap();
    store.put(&key("d"), "old").await.unwrap();
    let writes = vec![
        Write::put(key("e"), "new"),
        Write::delete(key("d")),
        Write::delete(key("c")),
        Write::put(key("b"), "new"),
        Write::put(key("a"), "new"),
    ];
    let outcomes = store.write(writes).await.unwrap();
    let existed: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().unwrap().existed)
        .collect();
    assert_eq!(existed, [false, true, false, true, false]);
    for (index, text) in [(0, "e"), (3, "b"), (4, "a")] {
        let entry = store.get(&key(text)).await.unwrap().unwrap();
        assert_eq!(entry.version, outcomes[index].as_ref().unwrap().version);
        assert_eq!(entry.value, "new");
    }
    assert_eq!(value(&store, &key("d")).await, None);
}

/// Writes of one key in one batch are done one after the other: each sees the one before.
pub async fn writes_of_one_key_are_done_in_order(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let writes = vec![
        Write::put(key.clone(), "one").with_precondition(Precondition::Absent),
        Write::put(key.clone(), "two").with_precondition(Precondition::Exists),
        Write::delete(key.clone()),
        Write::delete(key.clone()),
        Write::put(key.clone(), "three"),
        Write::put(key.clone(), "four").with_precondition(Precondition::Absent),
    ];
    let mut outcomes = store.write(writes).await.unwrap();
    let failed = outcomes.pop().unwrap();
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let existed: Vec<_> = outcomes.iter().map(|outcome| outcome.existed).collect();
    assert_eq!(existed, [false, true, true, false, false]);
    let versions: Vec<_> = outcomes.iter().map(|outcome| outcome.version).collect();
    assert!(
        versions[0] < versions[1] && versions[1] < versions[2],
        "{versions:?}"
    );
    assert!(
        versions[2] == versions[3] && versions[3] < versions[4],
        "{versions:?}"
    );
    assert_precondition_failed(failed, Some(versions[4]));
    let entry = store.get(&key).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.version), ("three".into(), versions[4]));
}

/// A write whose precondition fails does not keep the others of its batch from being done.
pub async fn a_failed_write_does_not_affect_the_others(backend: &AnyBackend) {
    let store = backend.store();
    let version = store.put(&key("b"), "old").await.unwrap().version;
    let writes = vec![
        Write::put(key("a"), "new"),
        Write::put(key("b"), "new").with_precondition(Precondition::Absent),
        Write::put(key("c"), "new").with_precondition(Precondition::Exists),
        Write::delete(key("b")).with_precondition(Precondition::Version(Version::new(1))),
        Write::put(key("d"), "new"),
    ];
    let mut outcomes = store.write(writes).await.unwrap().into_iter();
    let mut next = || outcomes.next().unwrap();
    assert!(next().is_ok());
    assert_precondition_failed(next(), Some(version));
    assert_precondition_failed(next(), None);
    assert_precondition_failed(next(), Some(version));
    assert!(next().is_ok());
    for (text, expected) in [
        ("a", Some("new")),
        ("b", Some("old")),
        ("c", None),
        ("d", Some("new")),
    ] {
        assert_eq!(
            value(&store, &key(text)).await,
            expected.map(Into::into),
            "{text}"
        );
    }
}

/// A batch of nothing is done.
pub async fn an_empty_batch_is_done(backend: &AnyBackend) {
    assert!(backend.store().write(Vec::new()).await.unwrap().is_empty());
}

/// A batch may be as large as the limit says.
pub async fn a_batch_may_be_as_large_as_the_limit(backend: &AnyBackend) {
    let store = backend.store();
    let count = store.capabilities().limits.max_batch_operations;
    let keys: Vec<_> = (0..count).map(|i| key(&format!("{i:09}"))).collect();
    let writes = keys
        .iter()
        .map(|key| Write::put(key.clone(), key.as_str().to_owned()))
        .collect();
    let outcomes = store.write(writes).await.unwrap();
    assert_eq!(
        outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
        count
    );
    let read = store.read(&keys).await.unwrap();
    assert_eq!(read.len(), count);
    for (key, outcome) in keys.iter().zip(read) {
        assert_eq!(outcome.entry.unwrap().value, key.as_str());
    }
    assert_eq!(store.stats().await.unwrap().items, count as u64);
}
