//! Imports: what a line may be, what becomes of keys that exist, and how it ends where it cannot go on.
#![cfg(feature = "wire")]
#![expect(clippy::unwrap_used, reason = "tests")]

mod conflicts;
mod failing;
mod lines;

use kverse_core::{KvStore, KvStoreExt, MemoryStore, Prefix, ScanOptions};
use kverse_store::transfer::{Import, OnConflict};
use kverse_store::wire::ImportReport;

/// Imports these pieces and reports what became of them.
async fn import<'a>(
    store: &dyn KvStore,
    on_conflict: OnConflict,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> ImportReport {
    let mut import = Import::new(store.capabilities().limits, on_conflict);
    let mut result = Ok(());
    for piece in pieces {
        result = import.push(store, piece).await;
        if result.is_err() {
            break;
        }
    }
    if result.is_ok() {
        result = import.finish(store).await;
    }
    let report = import.report().clone();
    assert_eq!(result.is_err(), report.error.is_some());
    if let (Err(error), Some(reported)) = (result, &report.error) {
        assert_eq!(error.kind().code(), reported.code);
        assert_eq!(
            error.message(),
            format!("line {}: {}", reported.line, reported.detail)
        );
        // It has ended: what comes now is not looked at.
        let again = import
            .push(store, b"{\"key\":\"late\",\"value\":\"\"}\n")
            .await;
        assert_eq!(again.unwrap_err().message(), error.message());
        let again = import.finish(store).await;
        assert_eq!(again.unwrap_err().message(), error.message());
        assert_eq!(*import.report(), report);
    }
    assert!(store.get(&"late".parse().unwrap()).await.unwrap().is_none());
    report
}

/// All keys and values, in order.
async fn pairs(store: &MemoryStore) -> Vec<(String, String)> {
    let options = ScanOptions::new(Prefix::default())
        .with_limit(1000)
        .with_values(true);
    let page = store.scan(options).await.unwrap();
    assert!(page.next.is_none());
    let pair = |entry: kverse_core::ScanEntry| {
        let value = entry.value.unwrap_or_default();
        (
            entry.key.as_str().to_owned(),
            String::from_utf8_lossy(&value).into_owned(),
        )
    };
    page.entries.into_iter().map(pair).collect()
}
