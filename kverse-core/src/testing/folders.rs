//! Scans by a delimiter, counts, and deleting by prefix.

use std::collections::BTreeSet;

use super::listing::{fill, keys, scan};
use super::{AnyBackend, key};
use crate::{Count, Delimiter, Key, KvStore, KvStoreExt, Page, Prefix, ScanOptions, Write};

fn slash() -> Option<Delimiter> {
    Some("/".parse().unwrap())
}

fn folders(page: &Page) -> Vec<&str> {
    page.common_prefixes.iter().map(Prefix::as_str).collect()
}

/// Entries and folders of all pages together.
async fn walk(store: &dyn KvStore, mut options: ScanOptions) -> (Vec<String>, Vec<String>) {
    let (mut listed, mut folders) = (Vec::new(), Vec::new());
    for _ in 0..100_000 {
        let page = store.scan(options.clone()).await.unwrap();
        assert!(page.len() <= options.limit);
        listed.extend(page.entries.into_iter().map(|entry| entry.key.into()));
        folders.extend(page.common_prefixes.into_iter().map(String::from));
        match page.next {
            Some(next) => options = options.with_start_after(Some(next)),
            None => return (listed, folders),
        }
    }
    panic!("a scan of few keys has 100,000 pages");
}

/// Keys with the delimiter after the prefix are folded into folders, each once; the others are listed. Both count towards
/// the limit, and the next page goes on after a folder.
pub async fn a_delimiter_folds_keys_into_folders(backend: &AnyBackend) {
    let store = backend.store();
    let texts = [
        "a", "a/", "a/1", "a/b/1", "a/b/2", "a/c", "a/c/1", "a0", "b/1", "b/2", "c",
    ];
    fill(&store, texts).await;
    let cases: [(&str, &str, &[&str], &[&str]); 6] = [
        ("", "/", &["a", "a0", "c"], &["a/", "b/"]),
        ("a/", "/", &["a/", "a/1", "a/c"], &["a/b/", "a/c/"]),
        ("a", "/", &["a", "a0"], &["a/"]),
        ("a/b", "/", &[], &["a/b/"]),
        (
            "",
            "/b/",
            &["a", "a/", "a/1", "a/c", "a/c/1", "a0", "b/1", "b/2", "c"],
            &["a/b/"],
        ),
        ("", "#", &texts, &[]),
    ];
    for (prefix, delimiter, expected, expected_folders) in cases {
        let options = scan(prefix).with_delimiter(Some(delimiter.parse().unwrap()));
        for limit in 1..=12 {
            let (listed, folders) = walk(&store, options.clone().with_limit(limit)).await;
            assert_eq!(listed, expected, "{prefix} by {delimiter}, {limit} a page");
            assert_eq!(
                folders, expected_folders,
                "{prefix} by {delimiter}, {limit} a page"
            );
        }
        // A page of one byte has one entry or folder.
        let (listed, folders) = walk(&store, options.with_max_bytes(1)).await;
        assert_eq!(
            (listed.len(), folders.len()),
            (expected.len(), expected_folders.len())
        );
    }
    let options = scan("").with_delimiter(slash()).with_limit(2);
    let page = store.scan(options.clone()).await.unwrap();
    assert_eq!((keys(&page), folders(&page)), (vec!["a"], vec!["a/"]));
    let page = store
        .scan(options.with_start_after(page.next))
        .await
        .unwrap();
    assert_eq!((keys(&page), folders(&page)), (vec!["a0"], vec!["b/"]));
}

/// `start_after` is about keys: a folder is listed as long as it has a key after it.
pub async fn a_folder_is_listed_if_it_has_a_key_after_the_start(backend: &AnyBackend) {
    let store = backend.store();
    fill(&store, ["a/1", "a/2", "b/1"]).await;
    for (start_after, expected) in [
        ("a/", &["a/", "b/"][..]),
        ("a/1", &["a/", "b/"]),
        ("a/2", &["b/"]),
        ("b/0", &["b/"]),
        ("b/1", &[]),
    ] {
        let options = scan("").with_delimiter(slash());
        let options = options.with_start_after(Some(key(start_after)));
        let page = store.scan(options).await.unwrap();
        assert_eq!(folders(&page), expected, "after {start_after}");
    }
}

/// A folder is there as long as one of its keys is, whatever the characters at its end, and whatever was deleted in it.
pub async fn a_folder_is_there_while_one_of_its_keys_is(backend: &AnyBackend) {
    let store = backend.store();
    let last = "\u{10ffff}";
    let texts: Vec<String> = (0..30)
        .map(|i| format!("a/{i:02}"))
        .chain((0..30).map(|i| format!("{last}{i:02}")))
        .chain([format!("b/{}", last.repeat(255)), "b/\u{d7ff}".to_owned()])
        .collect();
    fill(&store, texts.iter().map(String::as_str)).await;
    let by = |delimiter: &str| scan("").with_delimiter(Some(delimiter.parse().unwrap()));
    let (_, folders) = walk(&store, by("/").with_limit(1)).await;
    assert_eq!(folders, ["a/", "b/"]);
    let (listed, folders) = walk(&store, by(last).with_limit(2)).await;
    assert_eq!((listed.len(), folders.len()), (31, 2), "{folders:?}");
    let deletes = texts.iter().filter(|text| text.starts_with("a/"));
    let deletes = deletes.take(29).map(|text| Write::delete(key(text)));
    store.write(deletes.collect()).await.unwrap();
    assert_eq!(walk(&store, by("/")).await.1, ["a/", "b/"]);
    assert!(store.delete(&key("a/29")).await.unwrap());
    assert_eq!(walk(&store, by("/")).await.1, ["b/"]);
}

/// A page of folders with values has the values of the entries only.
pub async fn folders_have_no_values(backend: &AnyBackend) {
    let store = backend.store();
    fill(&store, ["a", "a/1", "b", "b/1", "c"]).await;
    let options = scan("").with_delimiter(slash()).with_values(true);
    let page = store.scan(options).await.unwrap();
    for entry in &page.entries {
        assert_eq!(entry.value, Some(entry.key.as_str().to_owned().into()));
    }
    assert_eq!(
        (keys(&page), folders(&page)),
        (vec!["a", "b", "c"], vec!["a/", "b/"])
    );
}

/// A count is that of the keys that a scan lists, whatever was deleted in between.
pub async fn a_count_is_that_of_the_keys(backend: &AnyBackend) {
    let store = backend.store();
    assert_eq!(
        store.count(&Prefix::default(), None).await.unwrap(),
        Count::default()
    );
    fill(&store, ["a", "a/1", "a/2", "a/3", "b"]).await;
    assert!(store.delete(&key("a/2")).await.unwrap());
    for (prefix, start_after, expected) in [
        ("", None, 4),
        ("a/", None, 2),
        ("a", None, 3),
        ("a/", Some("a/1"), 1),
        ("a/", Some("b"), 0),
        ("c", None, 0),
    ] {
        let start_after = start_after.map(key);
        let of: Prefix = prefix.parse().unwrap();
        let count = store.count(&of, start_after.as_ref());
        assert_eq!(count.await.unwrap(), Count::new(expected, None), "{prefix}");
    }
}

/// Deleting by prefix removes exactly the keys with the prefix, page by page: not what is beside it, and not the key that
/// the prefix would be without its last character.
pub async fn deleting_a_prefix_leaves_everything_else(backend: &AnyBackend) {
    let store = backend.store();
    let most = store.capabilities().limits.max_batch_operations;
    let many: Vec<_> = (0..most + 10).map(|i| format!("a/{i:05}")).collect();
    for texts in many.chunks(most) {
        fill(&store, texts.iter().map(String::as_str)).await;
    }
    fill(&store, ["a", "a.", "a0", "b"]).await;
    let prefix = Prefix::new("a/").unwrap();
    let (mut deleted, mut start_after, mut pages) = (0, None, 0);
    loop {
        let page = store.delete_page(&prefix, start_after).await.unwrap();
        (deleted, pages) = (deleted + page.keys, pages + 1);
        start_after = page.next;
        if start_after.is_none() {
            break;
        }
        assert!(pages < 100, "the pages do not end");
    }
    assert!(pages > 1);
    assert_eq!(deleted, most as u64 + 10);
    let (listed, _) = walk(&store, scan("")).await;
    assert_eq!(listed, ["a", "a.", "a0", "b"]);
}

/// While others write and delete keys around them, keys that exist throughout are each listed exactly once, or the
/// folder that they are in, and counted, by every walk.
pub async fn lasting_keys_are_listed_once_in_folders(backend: &AnyBackend) {
    let store = backend.store();
    let texts: Vec<_> = (0..24)
        .map(|i| format!("k{:02}{}x{i:02}", i / 3, if i % 2 == 0 { "/" } else { "-" }))
        .collect();
    let lasting = fill(&store, texts.iter().map(String::as_str)).await;
    let delimiter = slash().unwrap();
    let folder = |key: &Key| delimiter.folder(&Prefix::default(), key);
    let expected_folders: BTreeSet<_> = lasting
        .iter()
        .filter_map(folder)
        .map(String::from)
        .collect();
    let expected: BTreeSet<String> = lasting
        .iter()
        .filter(|key| folder(key).is_none())
        .map(|key| key.as_str().to_owned())
        .collect();
    let busy = |task: u64| {
        let store = backend.store();
        async move {
            let mut random = 0x9e37_79b9_7f4a_7c15_u64 ^ task;
            for _ in 0..40 {
                random = random
                    .wrapping_mul(0x5851_f42d_4c95_7f2d)
                    .wrapping_add(task * 2 + 1);
                let (number, kind) = (
                    (random >> 33) % 8,
                    ["/", "-", "/y/", ""][(random >> 60) as usize % 4],
                );
                let passing = key(&format!("k{number:02}{kind}{task}"));
                store.put(&passing, "passing").await.unwrap();
                assert!(store.delete(&passing).await.unwrap());
            }
        }
    };
    let writers: Vec<_> = (0..4).map(|task| tokio::spawn(busy(task))).collect();
    loop {
        let last = writers.iter().all(tokio::task::JoinHandle::is_finished);
        for limit in [1, 3] {
            let options = scan("").with_delimiter(slash()).with_limit(limit);
            let (listed, folders) = walk(&store, options).await;
            assert!(listed.is_sorted_by(|a, b| a < b), "{listed:?}");
            assert!(folders.is_sorted_by(|a, b| a < b), "{folders:?}");
            let (listed, folders) = (BTreeSet::from_iter(listed), BTreeSet::from_iter(folders));
            assert!(expected.is_subset(&listed), "{listed:?}");
            assert!(expected_folders.is_subset(&folders), "{folders:?}");
            if last {
                assert_eq!((&listed, &folders), (&expected, &expected_folders));
            }
        }
        let count = store.count(&Prefix::default(), None).await.unwrap();
        assert!(
            count.keys >= 24 && count.keys <= 24 + 4 && count.next.is_none(),
            "{count:?}"
        );
        if last {
            assert_eq!(count.keys, 24);
            break;
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
}
