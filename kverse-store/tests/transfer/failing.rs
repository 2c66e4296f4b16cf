//! Stores that fail in the middle.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use kverse_core::{
    Capabilities, ChangePage, ChangesOptions, ComponentHealth, Error, ErrorKind, Key, KvStore,
    MemoryStore, Operation, OperationOutcome, Page, ReadOutcome, Result, ScanOptions, Stats, Write,
    WriteOutcome,
};
use kverse_store::transfer::{Export, Import, OnConflict};

use crate::import;

/// A store that does so many writes and scans and then fails, in this way.
#[derive(Debug)]
struct Failing {
    store: MemoryStore,
    left: AtomicUsize,
    kind: ErrorKind,
    /// Of the write that fails, how many are done nevertheless.
    done: usize,
}

impl Failing {
    fn after(calls: usize, kind: ErrorKind) -> Self {
        Self {
            store: MemoryStore::default(),
            left: AtomicUsize::new(calls),
            kind,
            done: 0,
        }
    }

    fn call(&self) -> Result<()> {
        let left = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        match left {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::new(self.kind, "the disk is gone")),
        }
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failing")
    }
}

#[async_trait]
impl KvStore for Failing {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.store.read(keys).await
    }

    async fn write(&self, mut writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        match self.call() {
            Ok(()) => self.store.write(writes).await,
            Err(error) if self.done > 0 => {
                let count = writes.len();
                writes.truncate(self.done);
                let mut outcomes = self.store.write(writes).await?;
                outcomes.resize_with(count, || Err(error.clone()));
                Ok(outcomes)
            }
            Err(error) => Err(error),
        }
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        self.call()?;
        self.store.transact(operations).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.call()?;
        self.store.scan(options).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.store.changes(options).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.store.stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.store.check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
}

/// Lines of this many entries, which are written in batches of 1000.
fn lines(count: usize) -> Vec<u8> {
    let line = |number| format!("{{\"key\":\"{number:05}\",\"value\":\"v\"}}\n");
    (1..=count).map(line).collect::<String>().into_bytes()
}

#[tokio::test]
async fn what_was_stored_is_reported_and_a_repetition_stores_the_rest() {
    let text = lines(3500);
    for on_conflict in [OnConflict::Overwrite, OnConflict::Skip, OnConflict::Fail] {
        let store = Failing::after(2, ErrorKind::Unavailable);
        let report = import(&store, on_conflict, text.chunks(1000)).await;
        let error = report.error.unwrap();
        assert_eq!((error.line, error.unknown), (2001, 0));
        assert_eq!(
            (error.code.as_str(), error.detail.as_str()),
            ("unavailable", "the disk is gone")
        );
        assert_eq!(report.imported, 2000);
        assert_eq!(store.store.stats().await.unwrap().items, 2000);

        let report = import(&store.store, OnConflict::Skip, [&text[..]]).await;
        assert_eq!((report.imported, report.skipped), (1500, 2000));
        assert_eq!(store.store.stats().await.unwrap().items, 3500);
    }
}

#[tokio::test]
async fn a_batch_of_unknown_outcome_is_called_so() {
    let store = Failing::after(1, ErrorKind::Timeout);
    let report = import(&store, OnConflict::Skip, [&lines(1500)[..]]).await;
    let error = report.error.unwrap();
    assert_eq!((error.line, error.unknown), (1001, 500));
    assert_eq!(report.imported, 1000);
}

#[tokio::test]
async fn a_batch_of_which_a_part_is_stored_is_counted_as_it_is() {
    let mut store = Failing::after(1, ErrorKind::StorageFull);
    store.done = 10;
    let report = import(&store, OnConflict::Overwrite, [&lines(1500)[..]]).await;
    let error = report.error.unwrap();
    assert_eq!((error.line, error.unknown), (1011, 0));
    assert_eq!(error.code, "storage_full");
    assert_eq!(report.imported, 1010);
    assert_eq!(store.store.stats().await.unwrap().items, 1010);
}

#[tokio::test]
async fn a_broken_line_after_a_failing_store_is_not_what_is_reported() {
    let store = Failing::after(0, ErrorKind::Unavailable);
    let text = [&lines(10)[..], b"broken\n"].concat();
    let report = import(&store, OnConflict::Overwrite, [&text[..]]).await;
    assert_eq!(report.error.unwrap().line, 1);
}

#[tokio::test]
async fn an_import_that_was_dropped_in_a_write_does_not_go_on_without_it() {
    let store = MemoryStore::default();
    let mut import = Import::new(store.capabilities().limits, OnConflict::Overwrite);
    import.push(&store, &lines(10)).await.unwrap();
    assert_eq!(import.pending(), 10);
    let hanging = Hanging::default();
    // Polled once: it waits for the store.
    tokio::select! {
        biased;
        _ = import.flush(&hanging) => unreachable!(),
        () = std::future::ready(()) => {}
    }
    assert_eq!((import.pending(), import.report().imported), (10, 0));
    let error = import.finish(&store).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(import.report().error.as_ref().unwrap().unknown, 10);
}

#[tokio::test]
async fn an_export_that_failed_goes_on_where_it_was() {
    let memory = MemoryStore::default();
    import(&memory, OnConflict::Overwrite, [&lines(2500)[..]]).await;
    let mut store = Failing::after(1, ErrorKind::Unavailable);
    store.store = memory;
    let mut export = Export::new("".parse().unwrap());
    let mut entries = 0;
    let mut failures = 0;
    loop {
        match export.next(&store).await {
            Ok(Some(chunk)) => entries += chunk.entries,
            Ok(None) => break,
            Err(error) => {
                assert_eq!((error.kind(), entries), (ErrorKind::Unavailable, 1000));
                failures += 1;
                store.left.store(100, Ordering::SeqCst);
            }
        }
    }
    assert_eq!((entries, failures), (2500, 1));
}

/// A store whose writes never end.
#[derive(Debug, Default)]
struct Hanging(MemoryStore);

impl fmt::Display for Hanging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hanging")
    }
}

#[async_trait]
impl KvStore for Hanging {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.0.read(keys).await
    }

    async fn write(&self, _: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        std::future::pending().await
    }

    async fn transact(&self, _: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        std::future::pending().await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.0.scan(options).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.0.changes(options).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.0.stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.0.check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}
