//! What a store keeps when it is closed and opened again.

use std::time::Duration;

use super::{AnyBackend, assert_precondition_failed, key, put_if, value};
use crate::{
    Key, KvStoreExt, Precondition, Prefix, PutOptions, ScanOptions, Version, Write, WriteId,
};

async fn restart(backend: &mut AnyBackend) {
    let restarted = backend.restart().await;
    assert!(
        restarted,
        "a backend that is declared `durable` can restart on its data"
    );
}

/// The store says of itself that it is durable, before and after a restart.
pub async fn it_claims_to_be_durable(backend: &mut AnyBackend) {
    assert!(backend.store().capabilities().durable);
    restart(backend).await;
    assert!(backend.store().capabilities().durable);
}

/// Entries are the same after a restart: value, version, content type, expiry; deleted ones stay deleted.
pub async fn entries_are_the_same_after_a_restart(backend: &mut AnyBackend) {
    let keys: Vec<Key> = ["bytes", "deleted", "empty", "ends", "typed"]
        .into_iter()
        .map(key)
        .collect();
    let store = backend.store();
    store
        .put(&keys[0], (0..=255).collect::<Vec<u8>>())
        .await
        .unwrap();
    store.put(&keys[1], "value").await.unwrap();
    assert!(store.delete(&keys[1]).await.unwrap());
    store.put(&keys[2], "").await.unwrap();
    let ttl = PutOptions::default().with_ttl(Duration::from_secs(3600));
    store.put_opts(&keys[3], "value", ttl).await.unwrap();
    let typed = PutOptions::default().with_content_type(Some("text/plain".parse().unwrap()));
    store.put_opts(&keys[4], "value", typed).await.unwrap();
    let before = store.read(&keys).await.unwrap();
    drop(store);

    for _ in 0..2 {
        restart(backend).await;
        let store = backend.store();
        for (before, after) in before.iter().zip(store.read(&keys).await.unwrap()) {
            assert_eq!(after.entry, before.entry);
        }
        assert_eq!(store.stats().await.unwrap().items, 4);
        let page = store
            .scan(ScanOptions::new(Prefix::default()))
            .await
            .unwrap();
        assert_eq!(page.entries.len(), 4);
    }
}

/// Versions go on growing after a restart, of deleted keys too.
pub async fn versions_grow_across_a_restart(backend: &mut AnyBackend) {
    let key = key("k");
    let mut last = Version::NONE;
    for write in [
        Write::put(key.clone(), "value"),
        Write::put(key.clone(), "value"),
        Write::delete(key.clone()),
        Write::put(key.clone(), "value"),
    ] {
        let version = backend.store().write_one(write).await.unwrap().version;
        assert!(version > last, "{version} after {last}");
        last = version;
        restart(backend).await;
    }
    let result = backend
        .store()
        .put_opts(&key, "new", put_if(Precondition::Absent))
        .await;
    assert_precondition_failed(result, Some(last));
}

/// An entry still ends when it would have ended without the restart.
pub async fn an_expiry_holds_across_a_restart(backend: &mut AnyBackend) {
    let (key, ttl) = (key("k"), Duration::from_millis(100));
    let options = PutOptions::default().with_ttl(ttl);
    backend
        .store()
        .put_opts(&key, "value", options)
        .await
        .unwrap();
    restart(backend).await;
    backend.advance(ttl).await;
    assert_eq!(value(&backend.store(), &key).await, None);
    restart(backend).await;
    assert_eq!(value(&backend.store(), &key).await, None);
}

/// A write that is retried after a restart gets its first outcome.
pub async fn a_write_can_be_retried_across_a_restart(backend: &mut AnyBackend) {
    let key = key("k");
    let put = Write::put(key.clone(), "value")
        .with_precondition(Precondition::Absent)
        .with_write_id(WriteId::from_bytes([7; 16]));
    let delete = Write::delete(key.clone()).with_precondition(Precondition::Exists);
    for write in [put, delete] {
        let first = backend.store().write_one(write.clone()).await.unwrap();
        restart(backend).await;
        let again = backend.store().write_one(write).await.unwrap();
        assert_eq!(again, first.with_replayed(true));
    }
}

/// A failed transaction leaves nothing behind, an answered one all of it.
pub async fn a_restart_shows_whole_transactions(backend: &mut AnyBackend) {
    use crate::Operation;

    let put = |text: &str, value: &'static str| Operation::Write(Write::put(key(text), value));
    let never = Operation::Get {
        key: key("missing"),
        precondition: Precondition::Exists,
    };
    let store = backend.store();
    store
        .transact(vec![put("a", "one"), put("b", "one")])
        .await
        .unwrap();
    store
        .transact(vec![put("a", "two"), put("c", "two"), never])
        .await
        .unwrap_err();
    drop(store);
    restart(backend).await;
    let store = backend.store();
    for (text, expected) in [("a", Some("one")), ("b", Some("one")), ("c", None)] {
        assert_eq!(
            value(&store, &key(text)).await,
            expected.map(Into::into),
            "{text}"
        );
    }
}

/// A position that was taken before a restart is good after it, and what was told before is told again.
pub async fn the_feed_goes_on_across_a_restart(backend: &mut AnyBackend) {
    use super::changes::{follow, from, now};

    let start = now(&backend.store()).await;
    backend.store().put(&key("a"), "value").await.unwrap();
    let before = follow(&backend.store(), from(start), 1).await;
    backend.store().put(&key("b"), "value").await.unwrap();
    restart(backend).await;
    let store = backend.store();
    store.put(&key("c"), "value").await.unwrap();
    let after = follow(&store, from(before[0].position), 2).await;
    let keys: Vec<_> = after.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["b", "c"]);
    let all = follow(&store, from(start), 3).await;
    assert_eq!(all, [before, after].concat());
}
