//! The feed of changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{AnyBackend, assert_precondition_failed, key, put_if};
use crate::{
    Change, ChangeKind, ChangePage, ChangePosition, ChangesOptions, ErrorKind, Key, KvStore,
    KvStoreExt, Operation, Precondition, Prefix, PutOptions, Version, Write, WriteId,
};

/// How long a change may take to be in the feed, with a wide margin for a busy machine.
const SOON: Duration = Duration::from_secs(30);
const LIMIT: usize = 1000;

pub(super) fn from(position: ChangePosition) -> ChangesOptions {
    all().with_since(Some(position))
}

fn all() -> ChangesOptions {
    ChangesOptions::new(Prefix::default()).with_limit(LIMIT)
}

pub(super) async fn now(store: &dyn KvStore) -> ChangePosition {
    let page = store.changes(all()).await.unwrap();
    assert!(page.changes.is_empty() && !page.more);
    page.position
}

/// Reads page after page until `count` changes have come, and then once more: there are no others.
pub(super) async fn follow(
    store: &dyn KvStore,
    mut options: ChangesOptions,
    count: usize,
) -> Vec<Change> {
    let (mut changes, deadline) = (Vec::new(), Instant::now() + SOON);
    let mut complete = false;
    while !complete {
        complete = changes.len() >= count;
        let page = page(store, &options).await;
        options.since = Some(page.position);
        changes.extend(page.changes);
        complete &= !page.more;
        assert!(Instant::now() < deadline, "{count} expected: {changes:?}");
        tokio::task::yield_now().await;
    }
    assert_eq!(changes.len(), count, "{changes:?}");
    changes
}

/// A page, which keeps what every page promises.
async fn page(store: &dyn KvStore, options: &ChangesOptions) -> ChangePage {
    let page = store.changes(options.clone()).await.unwrap();
    assert!(page.changes.len() <= options.limit);
    let mut last = options.since.unwrap_or(page.position);
    for change in &page.changes {
        assert!(change.position > last, "{change:?} after {last:?}");
        assert!(options.prefix.matches(&change.key), "{change:?}");
        last = change.position;
    }
    assert!(page.position >= last, "{page:?}");
    page
}

fn told(changes: &[Change]) -> Vec<(&str, Version, ChangeKind)> {
    let told = |change: &Change| (change.version, change.kind);
    let keys = changes.iter().map(|change| change.key.as_str());
    keys.zip(changes.iter().map(told))
        .map(|(key, (version, kind))| (key, version, kind))
        .collect()
}

/// Puts, replacements and deletes are told with their versions, in order.
pub async fn writes_are_told_with_their_versions(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    assert!(store.capabilities().changes);
    let start = now(&store).await;
    let first = store.put(&k, "one").await.unwrap().version;
    let second = store
        .put_opts(&k, "two", put_if(Precondition::Exists))
        .await
        .unwrap()
        .version;
    let third = store.write_one(Write::delete(k)).await.unwrap().version;
    let changes = follow(&store, from(start), 3).await;
    assert_eq!(
        told(&changes),
        [
            ("k", first, ChangeKind::Put),
            ("k", second, ChangeKind::Put),
            ("k", third, ChangeKind::Delete)
        ]
    );
}

/// An entry that ends is told once, as expired, with a version after that of its write.
pub async fn an_expired_entry_is_told_once(backend: &mut AnyBackend) {
    let store = backend.store();
    let start = now(&store).await;
    let ttl = PutOptions::default().with_ttl(Duration::from_millis(100));
    let ends = store.put_opts(&key("ends"), "value", ttl).await.unwrap();
    let ttl = PutOptions::default().with_ttl(Duration::from_secs(3600));
    let stays = store.put_opts(&key("stays"), "value", ttl).await.unwrap();
    backend.advance(Duration::from_millis(100)).await;
    let changes = follow(&store, from(start), 3).await;
    assert_eq!(
        told(&changes[..2]),
        [
            ("ends", ends.version, ChangeKind::Put),
            ("stays", stays.version, ChangeKind::Put)
        ]
    );
    assert_eq!(
        (changes[2].key.as_str(), changes[2].kind),
        ("ends", ChangeKind::Expire)
    );
    assert!(changes[2].version > ends.version);
    assert!(store.get(&key("ends")).await.unwrap().is_none());
    let again = store.put(&key("ends"), "again").await.unwrap();
    assert!(again.version > changes[2].version);
    let next = follow(&store, from(changes[2].position), 1).await;
    assert_eq!(told(&next), [("ends", again.version, ChangeKind::Put)]);
}

/// What changed nothing is not told: failed conditions, replays, deletes of absent keys, failed transactions.
pub async fn what_changed_nothing_is_not_told(backend: &AnyBackend) {
    let (store, k) = (backend.store(), key("k"));
    let start = now(&store).await;
    let put = Write::put(k.clone(), "value").with_write_id(WriteId::from_bytes([7; 16]));
    let first = store.write_one(put.clone()).await.unwrap().version;
    assert!(store.write_one(put.clone()).await.unwrap().replayed);
    let batch = vec![put.clone(), Write::delete(key("absent"))];
    store.write(batch).await.unwrap();
    assert!(!store.delete(&key("absent")).await.unwrap());
    let absent = put_if(Precondition::Absent);
    assert_precondition_failed(store.put_opts(&k, "new", absent).await, Some(first));
    let never = Operation::Get {
        key: key("absent"),
        precondition: Precondition::Exists,
    };
    let write = Operation::Write(Write::put(k, "new"));
    store.transact(vec![write, never]).await.unwrap_err();
    let read = Operation::Get {
        key: key("k"),
        precondition: Precondition::None,
    };
    store.transact(vec![read]).await.unwrap();
    let last = store.put(&key("last"), "value").await.unwrap().version;
    let changes = follow(&store, from(start), 2).await;
    assert_eq!(
        told(&changes),
        [
            ("k", first, ChangeKind::Put),
            ("last", last, ChangeKind::Put)
        ]
    );
}

/// Every write of a batch or a transaction is told, and those of a transaction follow each other in its order, whatever
/// the pages.
pub async fn batches_and_transactions_are_told_whole(backend: &AnyBackend) {
    let store = backend.store();
    let start = now(&store).await;
    let put = |text: &str| Write::put(key(text), "value");
    let writes = || {
        let delete = Write::delete(key("c"));
        vec![put("c"), put("a"), delete, put("b"), put("a")]
    };
    let transaction = writes().into_iter().map(Operation::Write).collect();
    store.transact(transaction).await.unwrap();
    let changes = follow(&store, from(start), 5).await;
    let keys: Vec<_> = changes.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["c", "a", "c", "b", "a"]);
    assert_eq!(changes[2].kind, ChangeKind::Delete);
    assert!(changes[2].version > changes[0].version && changes[4].version > changes[1].version);
    assert_eq!(follow(&store, from(start).with_limit(1), 5).await, changes);

    let middle = now_after(&store, &changes).await;
    let outcomes = store.write(writes()).await.unwrap();
    let mut expected: Vec<_> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().unwrap().version)
        .collect();
    let mut versions: Vec<_> = follow(&store, from(middle), 5)
        .await
        .iter()
        .map(|change| change.version)
        .collect();
    expected.sort();
    versions.sort();
    assert_eq!(versions, expected);
}

async fn now_after(store: &dyn KvStore, changes: &[Change]) -> ChangePosition {
    let last = changes.last().unwrap().position;
    assert!(follow(store, from(last), 0).await.is_empty());
    last
}

/// From the position of any change, the changes after it follow: none is lost, none is repeated.
pub async fn any_position_can_be_gone_on_from(backend: &AnyBackend) {
    let store = backend.store();
    let start = now(&store).await;
    for round in 0..4 {
        store.put(&key("single"), "value").await.unwrap();
        let put = |i| Write::put(key(&format!("{round}/{i}")), "value");
        store.write((0..3).map(put).collect()).await.unwrap();
        let operations = (0..3).map(put).map(Operation::Write).collect();
        store.transact(operations).await.unwrap();
    }
    let changes = follow(&store, from(start), 28).await;
    for (index, change) in changes.iter().enumerate() {
        for limit in [1, 2, LIMIT] {
            let options = from(change.position).with_limit(limit);
            let rest = follow(&store, options, changes.len() - index - 1).await;
            assert_eq!(rest, changes[index + 1..]);
        }
    }
    let text = changes[5].position.to_string();
    assert_eq!(text.parse::<ChangePosition>().unwrap(), changes[5].position);
}

/// Only keys with the prefix are told, and a page without any still goes on.
pub async fn a_prefix_selects_its_changes(backend: &AnyBackend) {
    let store = backend.store();
    let start = now(&store).await;
    let mut expected = Vec::new();
    for round in 0..20 {
        let puts = ["user/", "user", "users/1", "v", "user/7"];
        let puts = puts.map(|text| Write::put(key(text), round.to_string()));
        for outcome in store.write(puts.to_vec()).await.unwrap() {
            expected.push(outcome.unwrap().version);
        }
    }
    let users = ChangesOptions::new(Prefix::new("user/").unwrap());
    for limit in [1, 3, LIMIT] {
        let options = users.clone().with_since(Some(start)).with_limit(limit);
        let changes = follow(&store, options, 40).await;
        let at = |text: &str, i: usize| {
            let of_key = changes.iter().filter(|change| change.key.as_str() == text);
            let versions: Vec<_> = of_key.map(|change| change.version).collect();
            let written = expected.iter().skip(i).step_by(5).copied();
            assert_eq!(versions, written.collect::<Vec<_>>());
        };
        at("user/", 0);
        at("user/7", 4);
    }
    let none = ChangesOptions::new(Prefix::new("none/").unwrap());
    let page = page(&store, &none.with_since(Some(start))).await;
    assert!(page.changes.is_empty() && page.position > start);
}

/// A page has at most so many changes, and there are bounds to that.
pub async fn a_page_of_changes_ends_at_its_limit(backend: &AnyBackend) {
    let store = backend.store();
    let start = now(&store).await;
    for _ in 0..3 {
        store.put(&key("k"), "value").await.unwrap();
    }
    let changes = follow(&store, from(start), 3).await;
    let first = page(&store, &from(start).with_limit(2)).await;
    assert_eq!(
        (first.changes.as_slice(), first.more),
        (&changes[..2], true)
    );
    let rest = page(&store, &from(first.position).with_limit(2)).await;
    assert_eq!((rest.changes.as_slice(), rest.more), (&changes[2..], false));
    let most = store.capabilities().limits.max_page_entries;
    for (limit, kind) in [
        (0, ErrorKind::InvalidInput),
        (most + 1, ErrorKind::TooLarge),
    ] {
        let refused = store.changes(all().with_limit(limit)).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{refused}");
    }
}

/// A position that this feed never gave is gone: one in the future, in a commit that has no such change, of another feed.
pub async fn a_position_that_was_never_given_is_gone(backend: &AnyBackend) {
    let store = backend.store();
    let start = now(&store).await;
    store.put(&key("k"), "value").await.unwrap();
    follow(&store, from(start), 1).await;
    let end = now(&store).await;
    let (feed, order) = (end.feed(), end.order());
    for position in [
        ChangePosition::new(feed, order + 1_000_000_000, 0, 0),
        ChangePosition::new(feed, u64::MAX, u64::MAX, u32::MAX),
        ChangePosition::new(feed, start.order(), start.sequence(), start.index() + 7),
        ChangePosition::new(feed ^ 1, order, end.sequence(), end.index()),
    ] {
        let error = store.changes(from(position)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone, "{position:?}: {error}");
    }
    follow(&store, from(end), 0).await;
}

/// Every write that was answered is told exactly once while nobody fails, and those of each key in the order of their
/// versions; what is told can be read.
pub async fn concurrent_writes_are_all_told_in_the_order_of_each_key(backend: &AnyBackend) {
    const TASKS: usize = 8;
    const ROUNDS: usize = 25;
    let store = backend.store();
    let start = now(&store).await;
    let writers: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { write_at_random(&store, task, ROUNDS).await })
        })
        .collect();
    // While they write: nothing may appear behind a reader.
    let following = tokio::spawn({
        let store = Arc::clone(&store);
        async move { follow_until(&store, start, "end").await }
    });
    let mut written: BTreeMap<Key, Vec<Version>> = BTreeMap::new();
    for writer in writers {
        for (key, version) in writer.await.unwrap() {
            written.entry(key).or_default().push(version);
        }
    }
    let end = store.put(&key("end"), "value").await.unwrap().version;
    written.insert(key("end"), vec![end]);
    let followed = following.await.unwrap();
    let mut told: BTreeMap<Key, Vec<Version>> = BTreeMap::new();
    for change in &followed {
        told.entry(change.key.clone())
            .or_default()
            .push(change.version);
    }
    for versions in written.values_mut() {
        versions.sort();
    }
    assert_eq!(told, written);
    let again = follow(&store, from(start), followed.len()).await;
    assert_eq!(again, followed);
}

/// Puts, conditional puts, batches and transactions of a few keys; what was answered.
async fn write_at_random(store: &dyn KvStore, task: usize, rounds: usize) -> Vec<(Key, Version)> {
    let mut written = Vec::new();
    for round in 0..rounds {
        let k = |i: usize| key(&format!("k{}", (task * 3 + round + i) % 5));
        let put = |i| Write::put(k(i), format!("{task}/{round}"));
        match (task + round) % 4 {
            0 => written.push((k(0), store.write_one(put(0)).await.unwrap().version)),
            1 => {
                let outcomes = store.write(vec![put(2), put(0), put(1)]).await.unwrap();
                for (i, outcome) in [2, 0, 1].into_iter().zip(outcomes) {
                    written.push((k(i), outcome.unwrap().version));
                }
            }
            2 => {
                let operations = vec![Operation::Write(put(1)), Operation::Write(put(0))];
                let outcomes = store.transact(operations).await.unwrap();
                for (i, outcome) in [1, 0].into_iter().zip(outcomes) {
                    let crate::OperationOutcome::Write(outcome) = outcome else {
                        panic!("the outcome of a get");
                    };
                    written.push((k(i), outcome.version));
                }
            }
            _ => {
                let exists = put(0).with_precondition(Precondition::Exists);
                if let Ok(outcome) = store.write_one(exists).await {
                    written.push((k(0), outcome.version));
                }
            }
        }
    }
    written
}

/// Follows the feed until a change of this key; each change can be read when it is told.
async fn follow_until(store: &dyn KvStore, start: ChangePosition, last: &str) -> Vec<Change> {
    let (mut changes, mut position) = (Vec::new(), start);
    let deadline = Instant::now() + SOON;
    loop {
        let page = page(store, &from(position).with_limit(7)).await;
        position = page.position;
        for change in page.changes {
            let entry = store.get(&change.key).await.unwrap();
            assert!(entry.is_some_and(|entry| entry.version >= change.version));
            let is_last = change.key.as_str() == last;
            changes.push(change);
            if is_last {
                return changes;
            }
        }
        assert!(Instant::now() < deadline, "{last} does not come");
        tokio::task::yield_now().await;
    }
}
