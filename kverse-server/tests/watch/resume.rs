//! Going on after an interruption.

use std::sync::Arc;

use kverse_core::{
    Capabilities, ChangePage, ChangesOptions, ComponentHealth, Error, ErrorKind, KvStore,
    KvStoreExt, MemoryStore, Operation, OperationOutcome, Page, ReadOutcome, Result, ScanOptions,
    Stats, Write, WriteOutcome,
};
use reqwest::StatusCode;

use crate::client::{Watch, metric};
use crate::server::Server;

#[tokio::test]
async fn nothing_is_missed_or_repeated_after_a_disconnect() {
    const WRITES: u64 = 2500;
    let server = Server::start(&[]);
    let mut watch = server.watch("").await;
    let store = server.store();
    let writer = tokio::spawn(async move {
        for number in 0..WRITES {
            let key = format!("k{}", number % 10).parse().unwrap();
            store.put(&key, number.to_string()).await.unwrap();
        }
    });
    let mut told = 0;
    let mut versions = std::collections::HashMap::new();
    let mut reconnects = 0;
    while told < WRITES {
        let event = watch.event().await;
        let (event, key, version) = event.change();
        assert_eq!(event, "put");
        assert!(
            versions.insert(key.to_owned(), version) < Some(version),
            "{key}"
        );
        told += 1;
        if told % 97 == 0 {
            reconnects += 1;
            // By one way or the other; the header wins.
            let since = std::mem::take(&mut watch.position);
            watch = if reconnects % 2 == 0 {
                server.watch(&format!("?since={since}")).await
            } else {
                let stale = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
                let request = server.get(&format!("/watch?since={stale}"));
                Watch::start(request.header("Last-Event-ID", since)).await
            };
        }
    }
    writer.await.unwrap();
    assert!(reconnects >= 25);
    // No write was told twice: after the last there is only what is new.
    let version = server.put("last", "x").await;
    assert_eq!(watch.event().await.change(), ("put", "last", version));
}

#[tokio::test]
async fn a_position_that_is_no_longer_kept_is_gone() {
    let store = Arc::new(MemoryStore::default().with_changes_kept(10));
    let server = Server::over(store, &[]);
    let since = server.watch("").await.position;
    for number in 0..20 {
        server.put("k", &number.to_string()).await;
    }
    for request in [
        server.get(&format!("/watch?since={since}")),
        server.get("/watch").header("Last-Event-ID", &since),
        server
            .get(&format!("/watch?since={since}"))
            .header("Accept", "application/json"),
        server.request(reqwest::Method::HEAD, &format!("/watch?since={since}")),
    ] {
        let answer = Watch::answer(request).await;
        assert_eq!(answer.status(), StatusCode::GONE);
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let body = answer.text().await.unwrap();
        assert!(
            body.is_empty() || body.contains("\"code\":\"gone\""),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_position_that_goes_in_the_middle_ends_the_stream() {
    let store = Arc::new(Fickle::default());
    let server = Server::over(Arc::<Fickle>::clone(&store), &[]);
    let mut watch = server.watch("").await;
    server.put("k", "x").await;
    assert_eq!(watch.event().await.change().1, "k");
    store.fail_with(Some(ErrorKind::Gone));
    let last = watch.event().await;
    assert_eq!(last.code(), "gone");
    watch.ends().await;
    assert_eq!(metric(&server.url(), "kverse_watch_lost_total ").await, 1.0);
    // The others are served as before.
    store.fail_with(None);
    let mut watch = server.watch("").await;
    let version = server.put("k", "y").await;
    assert_eq!(watch.event().await.change(), ("put", "k", version));
}

#[tokio::test]
async fn a_feed_that_cannot_be_read_for_a_while_is_told_whole_afterwards() {
    let store = Arc::new(Fickle::default());
    let server = Server::over(Arc::<Fickle>::clone(&store), &["--watch-heartbeat", "1s"]);
    let mut live = server.watch("").await;
    let since = live.position.clone();
    let mut versions = vec![server.put("k", "0").await];
    assert_eq!(live.event().await.change().2, versions[0]);
    store.fail_with(Some(ErrorKind::Unavailable));
    for number in 1..10 {
        versions.push(server.put("k", &number.to_string()).await);
    }
    let beat = live.block().await.unwrap();
    assert!(beat.is_comment, "{beat:?}");
    let lag = metric(&server.url(), "kverse_watch_lag_seconds ").await;
    assert!((0.5..60.0).contains(&lag), "{lag} s");
    let refused = server.get(&format!("/watch?since={since}"));
    assert_eq!(
        refused.send().await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    store.fail_with(None);
    for expected in &versions[1..] {
        assert_eq!(live.event().await.change(), ("put", "k", *expected));
    }
    let later = metric(&server.url(), "kverse_watch_lag_seconds ").await;
    assert!(later < lag, "{later} s");
    let mut resumed = server.watch(&format!("?since={since}")).await;
    for expected in &versions {
        assert_eq!(resumed.event().await.change(), ("put", "k", *expected));
    }
}

#[tokio::test]
async fn a_store_without_a_feed_says_so() {
    let store = Arc::new(MemoryStore::default().with_changes_kept(0));
    let server = Server::over(store, &[]);
    let answer = server.get("/watch").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
}

/// A store whose feed fails when it is told to.
#[derive(Debug, Default)]
struct Fickle {
    inner: MemoryStore,
    fails_with: std::sync::Mutex<Option<ErrorKind>>,
}

impl Fickle {
    fn fail_with(&self, kind: Option<ErrorKind>) {
        *self.fails_with.lock().unwrap() = kind;
    }
}

impl std::fmt::Display for Fickle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "fickle({})", self.inner)
    }
}

#[async_trait::async_trait]
impl KvStore for Fickle {
    async fn read(&self, keys: &[kverse_core::Key]) -> Result<Vec<ReadOutcome>> {
        self.inner.read(keys).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        self.inner.write(writes).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        self.inner.transact(operations).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.inner.scan(options).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        let kind = *self.fails_with.lock().unwrap();
        match kind {
            Some(kind) => Err(Error::new(kind, "as the test wants it")),
            None => self.inner.changes(options).await,
        }
    }

    async fn stats(&self) -> Result<Stats> {
        self.inner.stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.inner.check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
}
