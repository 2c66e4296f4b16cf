//! Lines whose key exists.

use kverse_core::{KvStore, KvStoreExt, MemoryStore};
use kverse_store::transfer::OnConflict;

use crate::{import, pairs};

fn line(key: &str, value: &str) -> String {
    format!("{{\"key\":\"{key}\",\"value\":\"{value}\"}}\n")
}

async fn store_with(keys: &[&str]) -> MemoryStore {
    let store = MemoryStore::default();
    for key in keys {
        store.put(&key.parse().unwrap(), "old").await.unwrap();
    }
    store
}

#[tokio::test]
async fn overwritten() {
    let store = store_with(&["a"]).await;
    let text = [line("a", "new"), line("b", "new")].concat();
    let report = import(&store, OnConflict::Overwrite, [text.as_bytes()]).await;
    assert_eq!((report.imported, report.skipped), (2, 0));
    assert!(pairs(&store).await.iter().all(|(_, value)| value == "new"));
}

#[tokio::test]
async fn skipped_and_counted() {
    let store = store_with(&["a"]).await;
    let lines = [
        line("a", "new"),
        line("b", "1"),
        line("b", "2"),
        line("c", ""),
    ];
    let text = lines.concat();
    let report = import(&store, OnConflict::Skip, [text.as_bytes()]).await;
    assert_eq!((report.imported, report.skipped), (2, 2));
    assert_eq!(report.error, None);
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        pairs(&store).await,
        [pair("a", "old"), pair("b", "1"), pair("c", "")]
    );
}

/// Wherever the key that exists is in its batch, and in whichever batch.
#[tokio::test]
async fn the_end_of_the_import() {
    for at in [1, 2, 500, 999, 1000, 1001, 1500, 2000] {
        let key = |number: u64| format!("{number:04}");
        let store = store_with(&[&key(at)]).await;
        let text: String = (1..=2000).map(|number| line(&key(number), "new")).collect();
        let report = import(&store, OnConflict::Fail, text.as_bytes().chunks(777)).await;
        let error = report.error.unwrap();
        assert_eq!((error.line, error.code.as_str()), (at, "conflict"));
        assert_eq!(error.detail, format!("the key \"{}\" exists", key(at)));
        assert_eq!(report.imported, at - 1);
        assert_eq!(store.stats().await.unwrap().items, at);
    }
}

#[tokio::test]
async fn a_key_that_the_same_import_stored() {
    let store = store_with(&[]).await;
    let text = [
        line("a", "1"),
        line("b", "1"),
        line("a", "2"),
        line("c", "1"),
    ]
    .concat();
    let report = import(&store, OnConflict::Fail, [text.as_bytes()]).await;
    assert_eq!(report.imported, 2);
    assert_eq!(report.error.unwrap().line, 3);
    let pair = |key: &str| (key.to_owned(), "1".to_owned());
    assert_eq!(pairs(&store).await, [pair("a"), pair("b")]);
}
