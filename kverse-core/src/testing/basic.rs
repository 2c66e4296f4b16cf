//! Reading, writing and deleting one key.

use bytes::Bytes;

use super::{AnyBackend, key, value};
use crate::{ContentType, KvStoreExt, PutOptions, Version, Write};

/// A key that was never written has no entry; that is no error.
pub async fn a_key_that_was_never_written_is_none(backend: &AnyBackend) {
    let store = backend.store();
    assert_eq!(store.get(&key("missing")).await.unwrap(), None);
}

/// A put stores, a second one replaces, a delete removes; each tells whether the key existed before.
pub async fn put_replace_and_delete_take_effect_in_order(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    assert!(!store.put(&key, "one").await.unwrap().existed);
    assert_eq!(value(&store, &key).await, Some("one".into()));
    assert!(store.put(&key, "two").await.unwrap().existed);
    assert_eq!(value(&store, &key).await, Some("two".into()));
    assert!(store.delete(&key).await.unwrap());
    assert_eq!(value(&store, &key).await, None);
    assert!(!store.put(&key, "three").await.unwrap().existed);
    assert_eq!(value(&store, &key).await, Some("three".into()));
}

/// What is done to one key changes no other, not even one that begins with it or differs in case only.
pub async fn keys_are_independent_and_compared_byte_by_byte(backend: &AnyBackend) {
    let store = backend.store();
    // Case, trailing space, composed and decomposed é, LIKE wildcards.
    let keys = [
        "k", "K", "k ", "kk", "k/", "\u{e9}", "e\u{301}", "%", "_", "k%", "'", "\"", "\\", "..",
    ];
    for text in keys {
        store.put(&key(text), text).await.unwrap();
    }
    assert!(store.delete(&key("k")).await.unwrap());
    assert_eq!(value(&store, &key("k")).await, None);
    for text in &keys[1..] {
        assert_eq!(value(&store, &key(text)).await, Some((*text).into()));
    }
}

/// Keys of 1 byte and of 1024 bytes are stored and found like any other.
pub async fn the_shortest_and_the_longest_key_are_stored(backend: &AnyBackend) {
    let store = backend.store();
    let longest = format!("{}é", "x".repeat(1022));
    for text in ["a", "\u{1}", &longest, &longest[..1022]] {
        store.put(&key(text), text.to_owned()).await.unwrap();
    }
    for text in ["a", "\u{1}", &longest, &longest[..1022]] {
        assert_eq!(
            value(&store, &key(text)).await,
            Some(text.to_owned().into())
        );
    }
}

/// An empty value is a value.
pub async fn an_empty_value_is_not_a_missing_one(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    store.put(&key, "").await.unwrap();
    assert_eq!(value(&store, &key).await, Some(Bytes::new()));
    assert!(store.put(&key, "").await.unwrap().existed);
    assert!(store.delete(&key).await.unwrap());
}

/// A value comes back byte for byte, whatever the bytes.
pub async fn every_byte_comes_back_as_it_was_stored(backend: &AnyBackend) {
    let store = backend.store();
    let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    let values: [&[u8]; 6] = [
        &all,
        b"\0",
        b"\r\n",
        b"\xff\xfe",
        b"\xef\xbb\xbftext",
        b"\"quoted\"",
    ];
    for (i, bytes) in values.iter().enumerate() {
        store
            .put(&key(&format!("k{i}")), bytes.to_vec())
            .await
            .unwrap();
    }
    for (i, bytes) in values.iter().enumerate() {
        let stored = value(&store, &key(&format!("k{i}"))).await;
        assert_eq!(stored.as_deref(), Some(*bytes));
    }
}

/// The content type is kept with the value, replaced with it, and removed by a put without one.
pub async fn the_content_type_belongs_to_the_value(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    for text in [Some("text/plain; charset=utf-8"), Some("x"), None] {
        let content_type = text.map(|text| ContentType::new(text).unwrap());
        let options = PutOptions::default().with_content_type(content_type.clone());
        store.put_opts(&key, "value", options).await.unwrap();
        assert_eq!(
            store.get(&key).await.unwrap().unwrap().content_type,
            content_type
        );
    }
}

/// A get returns the version that the write of the value returned.
pub async fn a_get_returns_the_version_of_the_write(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    for text in ["one", "two"] {
        let version = store.put(&key, text).await.unwrap().version;
        let entry = store.get(&key).await.unwrap().unwrap();
        assert_eq!((entry.value, entry.version), (text.into(), version));
    }
}

/// Each put and each delete of an entry has a greater version than the write of the key before it. (The value may be the
/// same: the write is what counts.)
pub async fn versions_grow_with_every_write_of_a_key(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let mut last = Version::NONE;
    for _ in 0..3 {
        for write in [
            Write::put(key.clone(), "same"),
            Write::put(key.clone(), "same"),
            Write::delete(key.clone()),
        ] {
            let version = store.write_one(write).await.unwrap().version;
            assert!(version > last, "{version} after {last}");
            last = version;
        }
    }
}

/// A delete of a key that does not exist says so and changes nothing.
pub async fn a_delete_of_a_missing_key_changes_nothing(backend: &AnyBackend) {
    let (store, never, gone) = (backend.store(), key("never"), key("gone"));
    let outcome = store.write_one(Write::delete(never.clone())).await.unwrap();
    assert_eq!((outcome.existed, outcome.version), (false, Version::NONE));
    assert!(!outcome.replayed);

    store.put(&gone, "value").await.unwrap();
    let delete = store.write_one(Write::delete(gone.clone())).await.unwrap();
    let again = store.write_one(Write::delete(gone.clone())).await.unwrap();
    assert_eq!((delete.existed, again.existed), (true, false));
    assert_eq!(again.version, delete.version);
    assert_eq!(store.stats().await.unwrap().items, 0);
}

/// One read returns its keys in the order asked for, missing ones as `None`, and a key asked for twice twice.
pub async fn a_read_answers_in_the_order_of_its_keys(backend: &AnyBackend) {
    let store = backend.store();
    for text in ["a", "b", "c"] {
        store.put(&key(text), text).await.unwrap();
    }
    let order = ["c", "missing", "a", "c", "b", "missing"];
    let keys: Vec<_> = order.into_iter().map(key).collect();
    // Twice: a cache may answer the second time.
    for _ in 0..2 {
        let outcomes = store.read(&keys).await.unwrap();
        let found: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| outcome.entry.map(|entry| entry.value))
            .collect();
        let expected = order.map(|text| (text != "missing").then(|| Bytes::from(text)));
        assert_eq!(found, expected);
    }
    assert!(store.read(&[]).await.unwrap().is_empty());
}

/// A healthy store says so of each of its components, and names them.
pub async fn a_check_of_a_healthy_store_finds_nothing(backend: &AnyBackend) {
    let components = backend.store().check().await;
    assert!(!components.is_empty());
    for component in components {
        assert!(component.result.is_ok(), "{component:?}");
        assert!(!component.name.is_empty());
    }
    assert!(!backend.store().to_string().is_empty());
}
