//! Samples of a server that the test plays, while it moves the time.

use std::fmt;

use actix_web::http::{Method, StatusCode};
use async_trait::async_trait;
use kverse_core::{
    Capabilities, ChangePage, ChangesOptions, ComponentHealth, Key, KvStoreExt, MemoryCache,
    MemoryStore, ObservedStore, Operation, OperationOutcome, Page, ReadOutcome, Result,
    ScanOptions, Stats, Write, WriteOutcome,
};
use prometheus::{IntGaugeVec, Opts};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::*;
use crate::metrics::HttpMetrics;

struct Server {
    history: Arc<History>,
    metrics: Registry,
    http: HttpMetrics,
    store: Arc<dyn KvStore>,
    /// Ends with the server.
    _tasks: JoinSet<()>,
}

impl Server {
    async fn start() -> Self {
        let metrics = crate::metrics::registry().unwrap();
        let store = Arc::new(MemoryStore::default());
        Self::with_store(
            Arc::new(ObservedStore::new(store, &metrics).unwrap()),
            metrics,
        )
        .await
    }

    async fn with_store(store: Arc<dyn KvStore>, metrics: Registry) -> Self {
        let server = Self {
            history: Arc::default(),
            http: HttpMetrics::new(&metrics, 1).unwrap(),
            metrics,
            store,
            _tasks: JoinSet::new(),
        };
        server.answer("/kv", 200, 7);
        let mut tasks = JoinSet::new();
        tasks.spawn(record(
            Arc::clone(&server.history),
            server.metrics.clone(),
            Arc::clone(&server.store),
        ));
        // What was before is nobody's sample.
        sleep(Duration::from_millis(1)).await;
        Self {
            _tasks: tasks,
            ..server
        }
    }

    /// Answers a request after so many milliseconds.
    fn answer(&self, route: &'static str, status: u16, ms: u64) {
        let status = StatusCode::from_u16(status).unwrap();
        let elapsed = Duration::from_millis(ms);
        self.http
            .route(route)
            .observe(&Method::GET, status, elapsed);
    }

    fn samples(&self) -> Vec<Sample> {
        self.history.look(None).0
    }

    /// How often the store was asked for its counts.
    fn counted(&self) -> u64 {
        let families = self.metrics.gather();
        let durations = families
            .iter()
            .find(|family| family.name() == "kverse_store_operation_duration_seconds");
        let series = durations.unwrap().get_metric().iter();
        let stats = series.filter(|one| one.get_label()[0].value() == "stats");
        stats
            .map(|one| one.get_histogram().get_sample_count())
            .sum()
    }
}

async fn interval_passes() {
    sleep(INTERVAL).await;
}

#[tokio::test(start_paused = true)]
async fn a_sample_has_what_happened_in_its_interval() {
    let server = Server::start().await;
    assert_eq!(server.samples(), []);
    for _ in 0..8 {
        server.answer("/kv", 200, 4);
    }
    server.answer("/kv/{key}", 404, 80);
    server.answer("/kv", 503, 400);
    // They wait on purpose.
    server.answer("/watch", 200, 9_000);
    server.http.connections.set(3);
    let in_flight = crate::metrics::InProgress::new(&server.http.in_flight);
    interval_passes().await;
    drop(in_flight);
    interval_passes().await;

    let samples = server.samples();
    let [busy, idle] = &samples[..] else {
        panic!("{samples:?}");
    };
    assert_eq!((busy.requests, busy.errors, busy.rejected), (11, 1, 1));
    assert_eq!((busy.in_flight, busy.connections), (1, 3));
    // Ten that count, the fifth is in the bucket from 2.5 to 5 ms, the last in the one from 250 to 500 ms.
    let expected = [2.5 + 2.5 * 5.0 / 8.0, 375.0, 475.0];
    let quantiles = [busy.p50_ms, busy.p95_ms, busy.p99_ms].map(Option::unwrap);
    for (quantile, expected) in quantiles.into_iter().zip(expected) {
        assert!((quantile - expected).abs() < 1e-6, "{quantiles:?}");
    }
    assert_eq!((idle.requests, idle.errors, idle.rejected), (0, 0, 0));
    assert_eq!((idle.in_flight, idle.connections), (0, 3));
    assert_eq!([idle.p50_ms, idle.p95_ms, idle.p99_ms], [None; 3]);
    assert!(busy.at < idle.at);
    assert_eq!(server.history.look(Some(busy.at)).0, samples[1..]);
    assert_eq!(server.history.look(Some(idle.at)).0, []);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_samples_are_kept() {
    let server = Server::start().await;
    for number in 0..SAMPLES + 3 {
        for _ in 0..number {
            server.answer("/kv", 200, 1);
        }
        interval_passes().await;
    }
    let requests = server
        .samples()
        .iter()
        .map(|one| one.requests)
        .collect::<Vec<_>>();
    let expected: Vec<u64> = (3..SAMPLES as u64 + 3).collect();
    assert_eq!(requests, expected);
}

#[tokio::test(start_paused = true)]
async fn keys_are_counted_only_while_somebody_looks() {
    let server = Server::start().await;
    let key: Key = "k".parse().unwrap();
    server.store.put(&key, "v").await.unwrap();
    interval_passes().await;
    interval_passes().await;
    assert_eq!(server.counted(), 0);
    assert!(server.samples().iter().all(|sample| sample.items.is_none()));
    // For a minute from that look on.
    for _ in 0..20 {
        interval_passes().await;
    }
    let items = server.samples().into_iter().map(|sample| sample.items);
    let items: Vec<_> = items.skip(2).collect();
    assert_eq!(items[..11], [Some(1); 11]);
    assert_eq!(items[12..], [None; 8]);
    assert!(
        (11..=12).contains(&server.counted()),
        "{}",
        server.counted()
    );
}

#[tokio::test(start_paused = true)]
async fn hits_and_misses_are_those_of_the_store() {
    let metrics = crate::metrics::registry().unwrap();
    let cache = Arc::new(MemoryCache::new(1 << 20));
    cache.register(&metrics).unwrap();
    let clock = Arc::new(SystemClock);
    let store = Arc::new(MemoryStore::default());
    let store = kverse_core::CachedStore::new(cache, store, clock).unwrap();
    let store = ObservedStore::new(Arc::new(store), &metrics).unwrap();
    let server = Server::with_store(Arc::new(store), metrics).await;
    let key: Key = "k".parse().unwrap();
    for _ in 0..4 {
        server.store.get(&key).await.unwrap();
    }
    interval_passes().await;
    let (samples, mode) = server.history.look(None);
    assert_eq!((samples[0].cache_hits, samples[0].cache_misses), (3, 1));
    assert_eq!(mode, CacheMode::Local);
}

#[tokio::test(start_paused = true)]
async fn the_mode_is_that_of_the_shared_cache() {
    let server = Server::start().await;
    assert_eq!(server.history.look(None).1, CacheMode::None);
    let opts = Opts::new("kverse_cache_mode", "1 for the mode that the cache is in");
    let modes = IntGaugeVec::new(opts, &["mode"]).unwrap();
    server.metrics.register(Box::new(modes.clone())).unwrap();
    for (label, mode) in [
        ("on", CacheMode::On),
        ("warming", CacheMode::Warming),
        ("off", CacheMode::Off),
        ("unknown", CacheMode::Unknown),
    ] {
        for other in ["on", "warming", "off", "unknown"] {
            modes
                .with_label_values(&[other])
                .set(i64::from(other == label));
        }
        interval_passes().await;
        assert_eq!(server.history.look(None).1, mode);
    }
}

/// A store that does not get around to counting.
#[derive(Debug, Default)]
struct Busy(MemoryStore);

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("busy")
    }
}

#[async_trait]
impl KvStore for Busy {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.0.read(keys).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        self.0.write(writes).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        self.0.transact(operations).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.0.scan(options).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.0.changes(options).await
    }

    async fn stats(&self) -> Result<Stats> {
        std::future::pending().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.0.check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_count_stops_nothing() {
    let metrics = crate::metrics::registry().unwrap();
    let server = Server::with_store(Arc::new(Busy::default()), metrics).await;
    server.samples();
    for _ in 0..3 {
        server.answer("/kv", 200, 1);
        interval_passes().await;
    }
    // The last one still waits for the count.
    sleep(COUNT_TIMEOUT).await;
    let samples = server.samples();
    assert_eq!(samples.len(), 3);
    for sample in samples {
        assert_eq!((sample.requests, sample.items), (1, None));
    }
}
