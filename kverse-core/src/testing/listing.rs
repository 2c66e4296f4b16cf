//! Scans: keys in byte order, page by page.

use std::collections::BTreeSet;

use super::{AnyBackend, key};
use crate::{Key, KvStore, KvStoreExt, Page, Prefix, ScanOptions, Write};

pub(super) fn scan(prefix: &str) -> ScanOptions {
    ScanOptions::new(Prefix::new(prefix).unwrap())
}

/// The keys of all pages, page by page as a caller would; fails if the pages do not end.
pub(super) async fn walk(store: &dyn KvStore, mut options: ScanOptions) -> Vec<Key> {
    let mut keys = Vec::new();
    for _ in 0..100_000 {
        let page = store.scan(options.clone()).await.unwrap();
        assert!(page.entries.len() <= options.limit);
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        match page.next {
            Some(next) => options = options.with_start_after(Some(next)),
            None => return keys,
        }
    }
    panic!("a scan of few keys has 100,000 pages");
}

pub(super) async fn fill(store: &dyn KvStore, texts: impl IntoIterator<Item = &str>) -> Vec<Key> {
    let mut keys: Vec<_> = texts.into_iter().map(key).collect();
    let writes = keys
        .iter()
        .rev()
        .map(|key| Write::put(key.clone(), key.as_str().to_owned()));
    for outcome in store.write(writes.collect()).await.unwrap() {
        outcome.unwrap();
    }
    keys.sort();
    keys
}

pub(super) fn keys(page: &Page) -> Vec<&str> {
    page.entries
        .iter()
        .map(|entry| entry.key.as_str())
        .collect()
}

/// Letters whose order differs between bytes, UTF-16 units and alphabets; some around the surrogates.
const ALPHABET: [&str; 16] = [
    "\u{1}",
    " ",
    "%",
    "/",
    "A",
    "Z",
    "_",
    "a",
    "z",
    "\u{7f}",
    "\u{e9}",
    "\u{d7ff}",
    "\u{e000}",
    "\u{ffff}",
    "\u{10000}",
    "\u{10ffff}",
];

/// A scan of an empty store, and of a prefix that no key has, is an empty last page.
pub async fn a_scan_of_nothing_is_empty(backend: &AnyBackend) {
    let store = backend.store();
    assert_eq!(store.scan(scan("")).await.unwrap(), Page::default());
    fill(&store, ["a", "c"]).await;
    for prefix in ["b", "aa", "A"] {
        assert_eq!(store.scan(scan(prefix)).await.unwrap(), Page::default());
    }
}

/// Keys come in the order of their UTF-8 bytes: by code point, not by locale or UTF-16 unit.
pub async fn keys_come_in_byte_order(backend: &AnyBackend) {
    let store = backend.store();
    let texts: Vec<String> = ALPHABET
        .iter()
        .flat_map(|a| std::iter::once((*a).to_owned()).chain(ALPHABET.map(|b| format!("{a}{b}"))))
        .collect();
    let expected = fill(&store, texts.iter().map(String::as_str)).await;
    assert_eq!(walk(&store, scan("").with_limit(7)).await, expected);
}

/// A scan lists exactly the keys that begin with the prefix, a key equal to it included, whatever its characters.
pub async fn a_prefix_selects_exactly_its_keys(backend: &AnyBackend) {
    let store = backend.store();
    let texts: Vec<String> = ALPHABET
        .iter()
        .flat_map(|a| std::iter::once((*a).to_owned()).chain(ALPHABET.map(|b| format!("{a}{b}"))))
        .collect();
    let all = fill(&store, texts.iter().map(String::as_str)).await;
    for prefix in texts
        .iter()
        .map(String::as_str)
        .chain(["", "aaa", "\u{10ffff}\u{10ffff}x"])
    {
        let expected: Vec<_> = all
            .iter()
            .filter(|key| key.as_str().starts_with(prefix))
            .cloned()
            .collect();
        assert_eq!(walk(&store, scan(prefix)).await, expected, "{prefix:?}");
    }
}

/// `start_after` is exclusive, need not exist, and may lie before or after the keys of the prefix.
pub async fn start_after_is_exclusive_and_may_lie_outside(backend: &AnyBackend) {
    let store = backend.store();
    fill(&store, ["a", "b", "b/1", "b/2", "b/3", "c"]).await;
    let cases: [(&str, &str, &[&str]); 10] = [
        ("b/", "b/1", &["b/2", "b/3"]),
        ("b/", "b/10", &["b/2", "b/3"]),
        ("b/", "b/", &["b/1", "b/2", "b/3"]),
        ("b/", "b", &["b/1", "b/2", "b/3"]),
        ("b/", "\u{1}", &["b/1", "b/2", "b/3"]),
        ("b/", "b/3", &[]),
        ("b/", "b0", &[]),
        ("b/", "\u{10ffff}", &[]),
        ("", "b/3", &["c"]),
        ("b", "b", &["b/1", "b/2", "b/3"]),
    ];
    for (prefix, start_after, expected) in cases {
        let options = scan(prefix).with_start_after(Some(key(start_after)));
        let page = store.scan(options).await.unwrap();
        assert_eq!(keys(&page), expected, "{prefix:?} after {start_after:?}");
        assert_eq!(page.next, None);
    }
}

/// A page has at most as many entries as asked for, and says where the next one starts; the last one says that it is.
pub async fn a_page_ends_at_its_limit(backend: &AnyBackend) {
    let store = backend.store();
    fill(&store, ["p1", "p2", "p3", "p4", "q"]).await;
    let page = store.scan(scan("p").with_limit(2)).await.unwrap();
    assert_eq!(keys(&page), ["p1", "p2"]);
    assert_eq!(page.next, Some(key("p2")));
    // Full, and the last: the caller need not ask again.
    let page = store
        .scan(scan("p").with_limit(2).with_start_after(page.next))
        .await
        .unwrap();
    assert_eq!(keys(&page), ["p3", "p4"]);
    assert_eq!(page.next, None);
    let page = store.scan(scan("p").with_limit(4)).await.unwrap();
    assert_eq!((page.entries.len(), page.next), (4, None));
    let most = store.capabilities().limits.max_page_entries;
    assert_eq!(
        store
            .scan(scan("p").with_limit(most))
            .await
            .unwrap()
            .entries
            .len(),
        4
    );
}

/// A walk over the pages lists each key once, in order, whatever the page size; so does `list_all`.
pub async fn a_walk_lists_each_key_once_at_any_page_size(backend: &AnyBackend) {
    use futures_util::TryStreamExt;

    let store = backend.store();
    let texts: Vec<_> = (0..10).map(|i| format!("k{i}")).collect();
    let expected = fill(&store, texts.iter().map(String::as_str)).await;
    fill(&store, ["a", "z"]).await;
    for limit in 1..=11 {
        let options = scan("k").with_limit(limit);
        assert_eq!(walk(&store, options.clone()).await, expected, "{limit}");
        let entries: Vec<_> = store.list_all(options).try_collect().await.unwrap();
        let listed: Vec<_> = entries.into_iter().map(|entry| entry.key).collect();
        assert_eq!(listed, expected, "{limit}");
    }
}

/// A page ends once it has the bytes asked for, but has at least one entry; the walk still lists each key once.
pub async fn a_page_ends_at_its_bytes_with_at_least_one_entry(backend: &AnyBackend) {
    let store = backend.store();
    let writes = (0..6)
        .map(|i| Write::put(key(&format!("k{i}")), vec![b'x'; 100]))
        .collect();
    for outcome in store.write(writes).await.unwrap() {
        outcome.unwrap();
    }
    let with_values = scan("k").with_values(true);
    for (max_bytes, entries) in [(1, 1), (102, 1), (103, 2), (204, 2), (205, 3), (10_000, 6)] {
        let options = with_values.clone().with_max_bytes(max_bytes);
        let page = store.scan(options.clone()).await.unwrap();
        assert_eq!(page.entries.len(), entries, "{max_bytes} bytes");
        assert_eq!(page.next.is_some(), entries < 6);
        assert_eq!(walk(&store, options).await.len(), 6);
    }
    // Without values only the keys count.
    let page = store.scan(scan("k").with_max_bytes(4)).await.unwrap();
    assert_eq!(keys(&page), ["k0", "k1"]);
}

/// A scan tells of each entry what a get tells: version, size, content type, expiry; and the value only if asked.
pub async fn a_scan_tells_what_a_get_tells(backend: &AnyBackend) {
    let store = backend.store();
    let options = crate::PutOptions::default()
        .with_ttl(std::time::Duration::from_secs(3600))
        .with_content_type(Some("application/octet-stream".parse().unwrap()));
    store
        .put_opts(&key("a"), vec![0, 255, 10], options)
        .await
        .unwrap();
    store.put(&key("b"), "").await.unwrap();
    for include_values in [false, true] {
        let page = store
            .scan(scan("").with_values(include_values))
            .await
            .unwrap();
        assert_eq!(keys(&page), ["a", "b"]);
        for listed in page.entries {
            let entry = store.get(&listed.key).await.unwrap().unwrap();
            assert_eq!(listed.version, entry.version);
            assert_eq!(listed.size, entry.value.len() as u64);
            assert_eq!(listed.content_type, entry.content_type);
            assert_eq!(listed.expires_at, entry.expires_at);
            assert_eq!(listed.value, include_values.then_some(entry.value));
        }
    }
}

/// Deleted keys are not listed, and pages are not shorter or repeated for them.
pub async fn deleted_keys_are_never_listed(backend: &AnyBackend) {
    let store = backend.store();
    let texts: Vec<_> = (0..20).map(|i| format!("k{i:02}")).collect();
    fill(&store, texts.iter().map(String::as_str)).await;
    let (kept, deleted): (Vec<_>, Vec<_>) = texts
        .iter()
        .map(|text| key(text))
        .partition(|key| key.as_str().ends_with('5'));
    for outcome in store
        .write(deleted.into_iter().map(Write::delete).collect())
        .await
        .unwrap()
    {
        assert!(outcome.unwrap().existed);
    }
    for limit in [1, 2, 20] {
        assert_eq!(
            walk(&store, scan("k").with_limit(limit)).await,
            kept,
            "{limit}"
        );
    }
}

/// While others write and delete keys around it, a key that exists throughout is listed exactly once by every walk, and
/// no key is listed twice or out of order.
pub async fn a_lasting_key_is_listed_once_while_others_come_and_go(backend: &AnyBackend) {
    let store = backend.store();
    let lasting: Vec<_> = (0..20).map(|i| format!("k{i:02}")).collect();
    let lasting: BTreeSet<_> = fill(&store, lasting.iter().map(String::as_str))
        .await
        .into_iter()
        .collect();
    let busy = |task: usize| {
        let store = backend.store();
        async move {
            for round in 0..30 {
                let passing = key(&format!("k{:02}-{task}", (round * 7) % 20));
                store.put(&passing, "passing").await.unwrap();
                store
                    .put(&key(&format!("k{:02}", (round * 3) % 20)), "changed")
                    .await
                    .unwrap();
                assert!(store.delete(&passing).await.unwrap());
            }
        }
    };
    let writers: Vec<_> = (0..4).map(|task| tokio::spawn(busy(task))).collect();
    let mut walks = 0;
    loop {
        let last = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let listed = walk(&store, scan("k").with_limit(3)).await;
        assert!(listed.is_sorted_by(|a, b| a < b), "{listed:?}");
        let listed: BTreeSet<_> = listed.into_iter().collect();
        assert!(lasting.is_subset(&listed), "{listed:?}");
        walks += 1;
        if last {
            assert_eq!(listed, lasting, "after {walks} walks");
            break;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
}
