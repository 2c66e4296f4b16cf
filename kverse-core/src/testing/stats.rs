//! Counts.

use super::{AnyBackend, key, put_if};
use crate::{KvStore, KvStoreExt, Operation, Precondition, Write};

async fn items(backend: &AnyBackend) -> u64 {
    backend.store().stats().await.unwrap().items
}

/// Stats count the keys that exist: a replaced one once, a deleted one not.
pub async fn stats_count_the_keys_that_exist(backend: &AnyBackend) {
    let store = backend.store();
    assert_eq!(items(backend).await, 0);
    for text in ["a", "b", "c", "a"] {
        store.put(&key(text), "value").await.unwrap();
    }
    assert_eq!(items(backend).await, 3);
    store.delete(&key("b")).await.unwrap();
    store.delete(&key("b")).await.unwrap();
    store.delete(&key("missing")).await.unwrap();
    assert_eq!(items(backend).await, 2);
    store.put(&key("b"), "").await.unwrap();
    assert_eq!(items(backend).await, 3);
}

/// Writes that failed and writes that were retried do not count; those of batches and transactions do.
pub async fn stats_count_what_was_done(backend: &AnyBackend) {
    let store = backend.store();
    let put = Write::put(key("a"), "value");
    store.write(vec![put.clone(), put.clone()]).await.unwrap();
    store.write_one(put).await.unwrap();
    let exists = put_if(Precondition::Exists);
    store
        .put_opts(&key("b"), "value", exists)
        .await
        .unwrap_err();
    assert_eq!(items(backend).await, 1);
    let operations = vec![
        Operation::Write(Write::put(key("b"), "value")),
        Operation::Write(Write::put(key("c"), "value")),
        Operation::Write(Write::delete(key("a"))),
    ];
    store.transact(operations).await.unwrap();
    assert_eq!(items(backend).await, 2);
}
