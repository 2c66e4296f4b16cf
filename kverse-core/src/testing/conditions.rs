//! Writes that are done only if a precondition holds.

use super::{AnyBackend, assert_precondition_failed, key, put_if, value};
use crate::{Key, KvStore, KvStoreExt, Precondition, Result, Version, Write, WriteOutcome};

async fn delete_if(
    store: &dyn KvStore,
    key: &Key,
    precondition: Precondition,
) -> Result<WriteOutcome> {
    store
        .write_one(Write::delete(key.clone()).with_precondition(precondition))
        .await
}

/// `Absent` lets a put create a key and not replace it; the error tells the present version.
pub async fn absent_creates_and_does_not_replace(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let first = store
        .put_opts(&key, "one", put_if(Precondition::Absent))
        .await
        .unwrap();
    let result = store
        .put_opts(&key, "two", put_if(Precondition::Absent))
        .await;
    assert_precondition_failed(result, Some(first.version));
    assert_eq!(value(&store, &key).await, Some("one".into()));
}

/// `Absent` holds for a deleted key, whose versions go on growing.
pub async fn absent_holds_after_a_delete(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    store.put(&key, "one").await.unwrap();
    let delete = delete_if(&store, &key, Precondition::Exists).await.unwrap();
    let put = store
        .put_opts(&key, "two", put_if(Precondition::Absent))
        .await
        .unwrap();
    assert!(!put.existed && put.version > delete.version);
}

/// `Exists` lets a put replace a key and not create it; the error tells that there is none.
pub async fn exists_replaces_and_does_not_create(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let result = store
        .put_opts(&key, "one", put_if(Precondition::Exists))
        .await;
    assert_precondition_failed(result, None);
    assert_eq!(value(&store, &key).await, None);
    store.put(&key, "one").await.unwrap();
    store
        .put_opts(&key, "two", put_if(Precondition::Exists))
        .await
        .unwrap();
    assert!(store.delete(&key).await.unwrap());
    let result = store
        .put_opts(&key, "three", put_if(Precondition::Exists))
        .await;
    assert_precondition_failed(result, None);
    assert_eq!(value(&store, &key).await, None);
}

/// A version holds while it is the version of the entry, and never again after.
pub async fn a_version_holds_until_the_next_write(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let first = store.put(&key, "one").await.unwrap().version;
    let if_first = || put_if(Precondition::Version(first));
    let second = store
        .put_opts(&key, "two", if_first())
        .await
        .unwrap()
        .version;
    assert_precondition_failed(
        store.put_opts(&key, "three", if_first()).await,
        Some(second),
    );
    for near in [second.get() - 1, second.get() + 1] {
        let result = store
            .put_opts(
                &key,
                "three",
                put_if(Precondition::Version(Version::new(near))),
            )
            .await;
        assert_precondition_failed(result, Some(second));
    }
    assert_eq!(value(&store, &key).await, Some("two".into()));
}

/// No version holds for a key that does not exist: not that of the deleted entry, not that of the delete, not zero.
pub async fn no_version_holds_for_an_absent_key(backend: &AnyBackend) {
    let (store, never, gone) = (backend.store(), key("never"), key("gone"));
    let put = store.put(&gone, "one").await.unwrap().version;
    let delete = delete_if(&store, &gone, Precondition::None)
        .await
        .unwrap()
        .version;
    for (key, version) in [
        (&never, Version::NONE),
        (&gone, Version::NONE),
        (&gone, put),
        (&gone, delete),
    ] {
        let precondition = Precondition::Version(version);
        let result = store.put_opts(key, "two", put_if(precondition)).await;
        assert_precondition_failed(result, None);
        assert_precondition_failed(delete_if(&store, key, precondition).await, None);
        assert_eq!(value(&store, key).await, None);
    }
}

/// A delete is done only if its precondition holds, like a put.
pub async fn a_delete_obeys_its_precondition(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    assert_precondition_failed(delete_if(&store, &key, Precondition::Exists).await, None);
    // Holds, and there is nothing to remove.
    assert!(
        !delete_if(&store, &key, Precondition::Absent)
            .await
            .unwrap()
            .existed
    );

    let version = store.put(&key, "one").await.unwrap().version;
    let other = Precondition::Version(Version::new(version.get() - 1));
    for precondition in [Precondition::Absent, other] {
        assert_precondition_failed(delete_if(&store, &key, precondition).await, Some(version));
    }
    assert_eq!(value(&store, &key).await, Some("one".into()));
    let delete = delete_if(&store, &key, Precondition::Version(version))
        .await
        .unwrap();
    assert!(delete.existed && delete.version > version);
    assert_eq!(value(&store, &key).await, None);
}

/// A write whose precondition failed leaves value, version, expiry and content type as they were.
pub async fn a_failed_write_changes_nothing(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let options = crate::PutOptions::default()
        .with_ttl(std::time::Duration::from_secs(3600))
        .with_content_type(Some("text/plain".parse().unwrap()));
    store.put_opts(&key, "one", options).await.unwrap();
    let before = store.get(&key).await.unwrap();
    for precondition in [Precondition::Absent, Precondition::Version(Version::NONE)] {
        let result = store.put_opts(&key, "two", put_if(precondition)).await;
        assert_precondition_failed(result, before.as_ref().map(|entry| entry.version));
        let result = delete_if(&store, &key, precondition).await;
        assert_precondition_failed(result, before.as_ref().map(|entry| entry.version));
    }
    assert_eq!(store.get(&key).await.unwrap(), before);
    assert_eq!(store.stats().await.unwrap().items, 1);
}

/// `compare_and_swap` expects a version, or with `None` an absent key.
pub async fn compare_and_swap_expects_what_it_was_told(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let first = store
        .compare_and_swap(&key, None, "one")
        .await
        .unwrap()
        .version;
    assert_precondition_failed(store.compare_and_swap(&key, None, "two").await, Some(first));
    let second = store
        .compare_and_swap(&key, Some(first), "two")
        .await
        .unwrap()
        .version;
    assert_precondition_failed(
        store.compare_and_swap(&key, Some(first), "three").await,
        Some(second),
    );
    assert_eq!(value(&store, &key).await, Some("two".into()));
}
