//! Entries that end.

use std::time::Duration;

use super::{AnyBackend, key, put_if, value};
use crate::{
    Expiry, KvStore, KvStoreExt, Operation, OperationOutcome, Precondition, Prefix, PutOptions,
    ScanOptions, Timestamp, Write,
};

const LONG: Duration = Duration::from_secs(3600);
/// Short enough to wait for on a real clock.
const SHORT: Duration = Duration::from_millis(100);

fn ttl(duration: Duration) -> PutOptions {
    PutOptions::default().with_ttl(duration)
}

fn expiry(expiry: Expiry) -> PutOptions {
    PutOptions::default().with_expiry(expiry)
}

/// An entry with a time to live is there before, and is not there after it.
pub async fn an_entry_is_gone_after_its_time_to_live(backend: &mut AnyBackend) {
    let (store, short, long) = (backend.store(), key("short"), key("long"));
    store.put_opts(&short, "value", ttl(SHORT)).await.unwrap();
    store.put_opts(&long, "value", ttl(LONG)).await.unwrap();
    backend.advance(SHORT).await;
    assert_eq!(value(&store, &short).await, None);
    assert_eq!(value(&store, &long).await, Some("value".into()));
}

/// A read that found the entry does not keep it alive: it is gone after its time although it was read before.
pub async fn a_read_does_not_prolong_an_entry(backend: &mut AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    store.put_opts(&key, "value", ttl(SHORT)).await.unwrap();
    // May already find nothing on a slow machine with a real clock; what counts is the last read.
    for _ in 0..3 {
        store.get(&key).await.unwrap();
    }
    backend.advance(SHORT).await;
    assert_eq!(value(&store, &key).await, None);
}

/// Outcome and entry tell when the entry ends, to the microsecond alike; an end given as a time is kept as given.
pub async fn an_entry_tells_when_it_ends(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    // Years ahead of every clock, and not a whole number of milliseconds.
    let at = Timestamp::from_micros(95_617_584_000_000_123);
    for given in [
        Expiry::After(LONG),
        Expiry::At(at),
        Expiry::At(Timestamp::MAX),
    ] {
        let outcome = store.put_opts(&key, "value", expiry(given)).await.unwrap();
        let entry = store.get(&key).await.unwrap().unwrap();
        assert!(outcome.expires_at.is_some());
        assert_eq!(entry.expires_at, outcome.expires_at);
        if let Expiry::At(at) = given {
            assert_eq!(entry.expires_at, Some(at));
        }
    }
}

/// A put without expiry removes the one that was there.
pub async fn a_put_without_expiry_removes_it(backend: &mut AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    store.put_opts(&key, "one", ttl(SHORT)).await.unwrap();
    assert_eq!(store.put(&key, "two").await.unwrap().expires_at, None);
    backend.advance(SHORT).await;
    let entry = store.get(&key).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.expires_at), ("two".into(), None));
}

/// `Keep` leaves the end as it was; a new expiry replaces it.
pub async fn keep_keeps_the_expiry(backend: &mut AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let end = store
        .put_opts(&key, "one", ttl(LONG))
        .await
        .unwrap()
        .expires_at;
    let kept = store
        .put_opts(&key, "two", expiry(Expiry::Keep))
        .await
        .unwrap();
    assert!(kept.existed);
    assert_eq!(kept.expires_at, end);
    let entry = store.get(&key).await.unwrap().unwrap();
    assert_eq!((entry.value, entry.expires_at), ("two".into(), end));
    store.put_opts(&key, "three", ttl(SHORT)).await.unwrap();
    backend.advance(SHORT).await;
    assert_eq!(value(&store, &key).await, None);
}

/// `Keep` with nothing to keep means never: on a missing, an endless, a deleted and an expired entry.
pub async fn keep_without_an_expiry_is_never(backend: &mut AnyBackend) {
    let store = backend.store();
    store.put(&key("endless"), "value").await.unwrap();
    store
        .put_opts(&key("deleted"), "value", ttl(LONG))
        .await
        .unwrap();
    assert!(store.delete(&key("deleted")).await.unwrap());
    store
        .put_opts(&key("expired"), "value", ttl(SHORT))
        .await
        .unwrap();
    backend.advance(SHORT).await;
    for text in ["missing", "endless", "deleted", "expired"] {
        let outcome = store
            .put_opts(&key(text), "new", expiry(Expiry::Keep))
            .await
            .unwrap();
        assert_eq!(
            (outcome.existed, outcome.expires_at),
            (text == "endless", None),
            "{text}"
        );
        let entry = store.get(&key(text)).await.unwrap().unwrap();
        assert_eq!(
            (entry.value, entry.expires_at),
            ("new".into(), None),
            "{text}"
        );
    }
}

/// An end in the past is accepted: the entry that was there is gone, and the new one is gone at once.
pub async fn an_expiry_in_the_past_stores_what_is_gone_at_once(backend: &AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let past = Timestamp::from_micros(1_000_000);
    let first = store.put(&key, "one").await.unwrap();
    let second = store
        .put_opts(&key, "two", expiry(Expiry::At(past)))
        .await
        .unwrap();
    assert!(second.existed && second.version > first.version);
    assert_eq!(second.expires_at, Some(past));
    assert_eq!(value(&store, &key).await, None);
    let third = store.put(&key, "three").await.unwrap();
    assert!(!third.existed && third.version > second.version);
}

/// For a write an expired entry is not there: put and delete say so, and conditions see an absent key.
pub async fn an_expired_entry_is_absent_for_writes(backend: &mut AnyBackend) {
    let store = backend.store();
    let texts = [
        "put",
        "delete",
        "absent",
        "exists",
        "version",
        "delete-exists",
    ];
    let mut versions = Vec::new();
    for text in texts {
        versions.push(
            store
                .put_opts(&key(text), "old", ttl(SHORT))
                .await
                .unwrap()
                .version,
        );
    }
    backend.advance(SHORT).await;
    let put = store.put(&key("put"), "new").await.unwrap();
    assert!(!put.existed && put.version > versions[0]);
    assert!(!store.delete(&key("delete")).await.unwrap());
    let absent = store
        .put_opts(&key("absent"), "new", put_if(Precondition::Absent))
        .await
        .unwrap();
    assert!(!absent.existed && absent.version > versions[2]);
    let result = store
        .put_opts(&key("exists"), "new", put_if(Precondition::Exists))
        .await;
    super::assert_precondition_failed(result, None);
    let same = put_if(Precondition::Version(versions[4]));
    super::assert_precondition_failed(store.put_opts(&key("version"), "new", same).await, None);
    let delete = Write::delete(key("delete-exists")).with_precondition(Precondition::Exists);
    super::assert_precondition_failed(store.write_one(delete).await, None);
}

/// Scans do not list expired entries.
pub async fn a_scan_skips_expired_entries(backend: &mut AnyBackend) {
    let store = backend.store();
    for text in ["a", "c", "e"] {
        store
            .put_opts(&key(text), "value", ttl(SHORT))
            .await
            .unwrap();
    }
    for text in ["b", "d"] {
        store
            .put_opts(&key(text), "value", ttl(LONG))
            .await
            .unwrap();
    }
    backend.advance(SHORT).await;
    let options = ScanOptions::new(Prefix::default());
    let page = store.scan(options.clone().with_limit(1)).await.unwrap();
    assert!(page.entries.iter().all(|entry| entry.key == key("b")));
    let keys = super::listing::walk(&store, options).await;
    assert_eq!(keys, [key("b"), key("d")]);
}

/// The stored count does not include expired entries.
pub async fn stats_do_not_count_expired_entries(backend: &mut AnyBackend) {
    let store = backend.store();
    store
        .put_opts(&key("a"), "value", ttl(SHORT))
        .await
        .unwrap();
    store.put_opts(&key("b"), "value", ttl(LONG)).await.unwrap();
    store.put(&key("c"), "value").await.unwrap();
    backend.advance(SHORT).await;
    assert_eq!(store.stats().await.unwrap().items, 2);
}

/// Transactions do not see expired entries.
pub async fn a_transaction_does_not_see_expired_entries(backend: &mut AnyBackend) {
    use crate::{Operation, OperationOutcome};

    let (store, key) = (backend.store(), key("k"));
    store.put_opts(&key, "value", ttl(SHORT)).await.unwrap();
    backend.advance(SHORT).await;
    let get = Operation::Get {
        key: key.clone(),
        precondition: Precondition::Absent,
    };
    let put = Operation::Write(Write::put(key, "new").with_precondition(Precondition::Absent));
    let outcomes = store.transact(vec![get, put]).await.unwrap();
    assert_eq!(outcomes[0], OperationOutcome::Get(None));
    assert!(matches!(outcomes[1], OperationOutcome::Write(outcome) if !outcome.existed));
}

/// A touch changes when an entry ends, and nothing else but its version: on the next read, whatever was read before.
pub async fn a_touch_changes_the_expiry_only(backend: &mut AnyBackend) {
    let (store, key) = (backend.store(), key("k"));
    let options = expiry(Expiry::Never).with_content_type(Some("text/plain".parse().unwrap()));
    store.put_opts(&key, "value", options).await.unwrap();
    let mut before = store.get(&key).await.unwrap().unwrap();
    let at = Timestamp::from_micros(95_617_584_000_000_123);
    for given in [
        Expiry::After(LONG),
        Expiry::Keep,
        Expiry::Never,
        Expiry::At(at),
        Expiry::After(SHORT),
    ] {
        let touch = Write::touch(key.clone(), given);
        let outcome = store.write_one(touch).await.unwrap();
        assert!(outcome.existed && outcome.version > before.version);
        match given {
            Expiry::After(_) => assert!(outcome.expires_at.is_some()),
            Expiry::Keep => assert_eq!(outcome.expires_at, before.expires_at),
            Expiry::Never => assert_eq!(outcome.expires_at, None),
            Expiry::At(at) => assert_eq!(outcome.expires_at, Some(at)),
        }
        if given != Expiry::After(SHORT) {
            let entry = store.get(&key).await.unwrap().unwrap();
            assert_eq!(entry.expires_at, outcome.expires_at);
            assert_eq!(entry.version, outcome.version);
            assert_eq!(
                (&entry.value, &entry.content_type),
                (&before.value, &before.content_type)
            );
            before = entry;
        }
    }
    backend.advance(SHORT).await;
    assert_eq!(value(&store, &key).await, None);
}

/// A touch of what is not there, or not any more, changes nothing.
pub async fn a_touch_of_a_missing_key_changes_nothing(backend: &mut AnyBackend) {
    let store = backend.store();
    store.put(&key("deleted"), "value").await.unwrap();
    assert!(store.delete(&key("deleted")).await.unwrap());
    store
        .put_opts(&key("expired"), "value", ttl(SHORT))
        .await
        .unwrap();
    backend.advance(SHORT).await;
    for text in ["missing", "deleted", "expired"] {
        let touch = Write::touch(key(text), Expiry::Never);
        let outcome = store.write_one(touch).await.unwrap();
        assert_eq!(
            (outcome.existed, outcome.expires_at),
            (false, None),
            "{text}"
        );
        assert_eq!(value(&store, &key(text)).await, None, "{text}");
    }
    assert_eq!(store.stats().await.unwrap().items, 0);
}

/// A touch obeys its precondition, is recognised when it is sent again, and can be part of a transaction.
pub async fn a_touch_is_a_write_like_others(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    let first = store.put(&k, "value").await.unwrap();
    let touch =
        |condition| Write::touch(k.clone(), Expiry::After(LONG)).with_precondition(condition);
    for condition in [
        Precondition::Absent,
        Precondition::Version(crate::Version::new(1)),
    ] {
        let result = store.write_one(touch(condition)).await;
        super::assert_precondition_failed(result, Some(first.version));
    }
    let once = touch(Precondition::Version(first.version));
    let outcome = store.write_one(once.clone()).await.unwrap();
    let again = store.write_one(once).await.unwrap();
    assert_eq!(again, outcome.with_replayed(true));
    let operations = vec![
        Operation::Write(Write::put(k.clone(), "new")),
        Operation::Write(touch(Precondition::Exists)),
        Operation::Get {
            key: k.clone(),
            precondition: Precondition::Exists,
        },
    ];
    let outcomes = store.transact(operations).await.unwrap();
    let entry = store.get(&k).await.unwrap().unwrap();
    assert_eq!(
        (&entry.value[..], entry.expires_at.is_some()),
        (&b"new"[..], true)
    );
    assert_eq!(outcomes[2], OperationOutcome::Get(Some(entry)));
}
