//! What databases of all ages hold in these tests.

use kverse_core::{Key, KvStore, KvStoreExt};
use kverse_store::tokens::TokenStore;

/// In the year 2100.
pub(crate) const LATER: u64 = 4_102_444_800_000_000;

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// Everything that the tables held is there.
pub(crate) async fn are_there(store: &dyn KvStore, tokens: Option<&dyn TokenStore>) {
    let entry = store.get(&key("plain")).await.unwrap().unwrap();
    assert_eq!(entry.value, b"\x00\xff".as_slice());
    assert_eq!(entry.version.get(), 11);
    assert_eq!((entry.content_type, entry.expires_at), (None, None));
    let entry = store.get(&key("typed")).await.unwrap().unwrap();
    assert_eq!(entry.value, "text");
    assert_eq!(entry.content_type.unwrap().as_str(), "text/plain");
    assert_eq!(entry.expires_at.unwrap().as_micros(), LATER);
    assert_eq!(store.get(&key("deleted")).await.unwrap(), None);
    let page = store
        .scan(kverse_core::ScanOptions::new("".parse().unwrap()))
        .await;
    let keys: Vec<String> = page
        .unwrap()
        .entries
        .iter()
        .map(|e| e.key.to_string())
        .collect();
    assert_eq!(keys, ["plain", "typed"]);
    if let Some(tokens) = tokens {
        let tokens = tokens.list().await.unwrap();
        let names: Vec<&str> = tokens.iter().map(|token| token.name.as_str()).collect();
        assert_eq!(names, ["mine"]);
    }
}
