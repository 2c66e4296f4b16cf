//! Sizes and counts at and over their limits.

use bytes::Bytes;

use super::{AnyBackend, assert_too_large, key, value};
use crate::{
    ErrorKind, Key, KvStore, KvStoreExt, Operation, Precondition, Prefix, ScanOptions, Write,
};

fn bytes(count: usize) -> Bytes {
    vec![b'x'; count].into()
}

fn get(key: Key) -> Operation {
    Operation::Get {
        key,
        precondition: Precondition::None,
    }
}

/// A value of exactly the largest size is stored and comes back whole.
pub async fn a_value_may_be_as_large_as_the_limit(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let largest: Vec<u8> = (0..store.capabilities().limits.max_value_bytes)
        .map(|i| (i % 251) as u8)
        .collect();
    store.put(&key, largest.clone()).await.unwrap();
    assert!(
        value(&store, &key).await.unwrap() == largest,
        "the value has changed"
    );
}

/// A value of one byte more is refused with the limit and its size, and the value before it stays.
pub async fn a_value_over_the_limit_is_refused(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let limit = store.capabilities().limits.max_value_bytes;
    store.put(&key, "old").await.unwrap();
    let error = store.put(&key, bytes(limit + 1)).await.unwrap_err();
    assert_too_large(&error, limit, limit + 1);
    assert_eq!(value(&store, &key).await, Some("old".into()));
}

/// Of a batch only the value over the limit is refused; the writes around it are done.
pub async fn a_batch_refuses_only_the_value_over_the_limit(backend: &AnyBackend) {
    let store = backend.store();
    let limit = store.capabilities().limits.max_value_bytes;
    let writes = vec![
        Write::put(key("a"), "value"),
        Write::put(key("b"), bytes(limit + 1)),
        Write::put(key("c"), "value"),
    ];
    let outcomes = store.write(writes).await.unwrap();
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert_too_large(outcomes[1].as_ref().unwrap_err(), limit, limit + 1);
    for (text, expected) in [("a", Some("value")), ("b", None), ("c", Some("value"))] {
        assert_eq!(
            value(&store, &key(text)).await,
            expected.map(Into::into),
            "{text}"
        );
    }
}

/// A transaction with a value over the limit is refused whole, and the error names the operation.
pub async fn a_transaction_with_a_value_over_the_limit_is_refused(backend: &AnyBackend) {
    let store = backend.store();
    let limit = store.capabilities().limits.max_value_bytes;
    let operations = vec![
        Operation::Write(Write::put(key("a"), "value")),
        Operation::Write(Write::put(key("b"), bytes(limit + 1))),
    ];
    let error = store.transact(operations).await.unwrap_err();
    assert_too_large(&error, limit, limit + 1);
    assert_eq!(error.operation(), Some(1));
    assert_eq!(store.stats().await.unwrap().items, 0);
}

/// More operations than one batch, transaction or read may have are refused, and nothing of them is done.
pub async fn too_many_operations_are_refused(backend: &AnyBackend) {
    let store = backend.store();
    let limit = store.capabilities().limits.max_batch_operations;
    let keys: Vec<_> = (0..=limit).map(|i| key(&format!("k{i}"))).collect();
    let writes: Vec<_> = keys
        .iter()
        .map(|key| Write::put(key.clone(), "value"))
        .collect();
    let operations = writes.iter().cloned().map(Operation::Write).collect();
    let gets = keys.iter().cloned().map(get).collect();
    assert_too_large(&store.write(writes).await.unwrap_err(), limit, limit + 1);
    assert_too_large(
        &store.transact(operations).await.unwrap_err(),
        limit,
        limit + 1,
    );
    assert_too_large(&store.transact(gets).await.unwrap_err(), limit, limit + 1);
    assert_too_large(&store.read(&keys).await.unwrap_err(), limit, limit + 1);
    assert_eq!(store.stats().await.unwrap().items, 0);
    assert_eq!(store.read(&keys[1..]).await.unwrap().len(), limit);
}

/// More bytes than one batch or transaction may have are refused, and nothing of them is done.
pub async fn too_many_bytes_are_refused(backend: &AnyBackend) {
    let store = backend.store();
    let limits = store.capabilities().limits;
    let value = bytes(limits.max_value_bytes);
    let count = limits.max_batch_bytes / value.len() + 1;
    assert!(
        count <= limits.max_batch_operations,
        "the limit on bytes cannot be reached"
    );
    let writes: Vec<_> = (0..count)
        .map(|i| Write::put(key(&format!("k{i}")), value.clone()))
        .collect();
    let size = writes.iter().map(Write::size).sum();
    let operations = writes.iter().cloned().map(Operation::Write).collect();
    let error = store.write(writes).await.unwrap_err();
    assert_too_large(&error, limits.max_batch_bytes, size);
    let error = store.transact(operations).await.unwrap_err();
    assert_too_large(&error, limits.max_batch_bytes, size);
    assert_eq!(store.stats().await.unwrap().items, 0);
}

/// More bytes than one read or transaction may find are refused; one value less is read.
pub async fn too_many_bytes_are_not_read_at_once(backend: &AnyBackend) {
    let store = backend.store();
    let limits = store.capabilities().limits;
    let value = bytes(limits.max_value_bytes);
    let count = limits.max_batch_bytes / value.len() + 1;
    let keys: Vec<_> = (0..count).map(|i| key(&format!("k{i}"))).collect();
    for key in &keys {
        store.put(key, value.clone()).await.unwrap();
    }
    let found = count * value.len();
    // The second time from a cache, if there is one.
    for _ in 0..2 {
        let error = store.read(&keys).await.unwrap_err();
        assert_too_large(&error, limits.max_batch_bytes, found);
        assert_eq!(store.read(&keys[1..]).await.unwrap().len(), count - 1);
    }
    let gets = || keys.iter().cloned().map(get);
    let error = store.transact(gets().collect()).await.unwrap_err();
    assert_too_large(&error, limits.max_batch_bytes, found);
    assert_eq!(error.operation(), Some(count - 1));
    let found = store.transact(gets().skip(1).collect()).await.unwrap();
    assert_eq!(found.len(), count - 1);
}

/// A page of no entries or no bytes is malformed, one of more than the limit is refused.
pub async fn a_page_size_out_of_bounds_is_refused(backend: &AnyBackend) {
    let store = backend.store();
    let limits = store.capabilities().limits;
    let options = ScanOptions::new(Prefix::default());
    for options in [
        options.clone().with_limit(0),
        options.clone().with_max_bytes(0),
    ] {
        let error = store.scan(options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let entries = limits.max_page_entries + 1;
    let error = store
        .scan(options.clone().with_limit(entries))
        .await
        .unwrap_err();
    assert_too_large(&error, entries - 1, entries);
    let bytes = limits.max_page_bytes + 1;
    let error = store.scan(options.with_max_bytes(bytes)).await.unwrap_err();
    assert_too_large(&error, bytes - 1, bytes);
}
