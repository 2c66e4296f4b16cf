//! Metrics and spans per operation.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use tracing::{Instrument, debug_span};

use crate::{
    CacheStatus, Capabilities, ChangePage, ChangesOptions, ComponentHealth, Count, Error,
    ErrorKind, Key, KvStore, Operation, OperationOutcome, Page, Prefix, ReadOutcome, Result,
    ScanOptions, Stats, Write, WriteOutcome,
};

/// Counts and times what goes through a store, and gives each operation a `tracing` span (level debug).
///
/// | metric | labels | what |
/// |---|---|---|
/// | `kverse_store_operation_duration_seconds` | `operation` | histogram of the calls that succeeded or failed |
/// | `kverse_store_operations_in_flight` | `operation` | calls that are not answered yet, those included that wait for a batch |
/// | `kverse_store_errors_total` | `operation`, `kind` | calls that failed, and writes of a batch that failed on their own; from zero on for what is not the caller's fault |
/// | `kverse_store_reads_total` | `cache` | keys read, by what the cache did: `hit`, `miss`, `bypass`, `off` |
#[derive(Debug)]
pub struct ObservedStore {
    inner: Arc<dyn KvStore>,
    calls: Calls,
    errors: IntCounterVec,
    reads: Reads,
}

/// What is not the caller's fault. Counted from zero on: a counter that begins at one does not show the first as a change.
const FAULTS: [ErrorKind; 5] = [
    ErrorKind::Unavailable,
    ErrorKind::StorageFull,
    ErrorKind::Timeout,
    ErrorKind::Corrupt,
    ErrorKind::Internal,
];

/// The handle of each series, looked up once: a lookup by label costs as much as the observation.
#[derive(Debug)]
struct Calls {
    read: Series,
    write: Series,
    transact: Series,
    scan: Series,
    count: Series,
    changes: Series,
    stats: Series,
}

/// The calls of one operation.
#[derive(Debug)]
struct Series {
    operation: &'static str,
    duration: Histogram,
    in_flight: IntGauge,
}

/// Counts a call as in flight until it is dropped.
struct InFlight<'a>(&'a IntGauge);

impl<'a> InFlight<'a> {
    fn new(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[derive(Debug)]
struct Reads {
    hit: IntCounter,
    miss: IntCounter,
    bypass: IntCounter,
    off: IntCounter,
}

impl ObservedStore {
    /// `inner`, with its metrics in `registry`.
    ///
    /// # Errors
    /// `Internal` if the registry has metrics of these names already.
    pub fn new(inner: Arc<dyn KvStore>, registry: &Registry) -> Result<Self> {
        Ok(Self::register(inner, registry)?)
    }

    fn register(inner: Arc<dyn KvStore>, registry: &Registry) -> prometheus::Result<Self> {
        let buckets = vec![
            0.000_01, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
            0.25, 0.5, 1.0, 5.0,
        ];
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "kverse_store_operation_duration_seconds",
                "How long store operations take",
            )
            .buckets(buckets),
            &["operation"],
        )?;
        let in_flight = IntGaugeVec::new(
            Opts::new(
                "kverse_store_operations_in_flight",
                "Store operations that are not answered yet, those included that wait for a batch",
            ),
            &["operation"],
        )?;
        let errors = IntCounterVec::new(
            Opts::new("kverse_store_errors_total", "Store operations that failed"),
            &["operation", "kind"],
        )?;
        let reads = IntCounterVec::new(
            Opts::new(
                "kverse_store_reads_total",
                "Keys read, by what the cache had to do with it",
            ),
            &["cache"],
        )?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(errors.clone()))?;
        registry.register(Box::new(reads.clone()))?;
        let series = |operation| {
            for kind in FAULTS {
                errors.with_label_values(&[operation, kind.code()]);
            }
            Series {
                operation,
                duration: durations.with_label_values(&[operation]),
                in_flight: in_flight.with_label_values(&[operation]),
            }
        };
        let read = |status: CacheStatus| reads.with_label_values(&[status.as_str()]);
        Ok(Self {
            inner,
            calls: Calls {
                read: series("read"),
                write: series("write"),
                transact: series("transact"),
                scan: series("scan"),
                count: series("count"),
                changes: series("changes"),
                stats: series("stats"),
            },
            errors,
            reads: Reads {
                hit: read(CacheStatus::Hit),
                miss: read(CacheStatus::Miss),
                bypass: read(CacheStatus::Bypass),
                off: read(CacheStatus::Off),
            },
        })
    }

    /// Not the `Arc`, which is a store too and would box each future once more.
    fn inner(&self) -> &dyn KvStore {
        &*self.inner
    }

    fn failed(&self, operation: &str, error: &Error) {
        self.errors
            .with_label_values(&[operation, error.kind().code()])
            .inc();
    }

    async fn observe<T>(
        &self,
        series: &Series,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let started = Instant::now();
        let in_flight = InFlight::new(&series.in_flight);
        let result = call.await;
        drop(in_flight);
        series.duration.observe(started.elapsed().as_secs_f64());
        if let Err(error) = &result {
            self.failed(series.operation, error);
        }
        result
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl KvStore for ObservedStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        let call = self
            .inner()
            .read(keys)
            .instrument(debug_span!("read", keys = keys.len()));
        let outcomes = self.observe(&self.calls.read, call).await?;
        for outcome in &outcomes {
            match outcome.cache {
                CacheStatus::Hit => self.reads.hit.inc(),
                CacheStatus::Miss => self.reads.miss.inc(),
                CacheStatus::Bypass => self.reads.bypass.inc(),
                CacheStatus::Off => self.reads.off.inc(),
            }
        }
        Ok(outcomes)
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        let span = debug_span!("write", writes = writes.len());
        let call = self.inner().write(writes).instrument(span);
        let results = self.observe(&self.calls.write, call).await?;
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            self.failed("write", error);
        }
        Ok(results)
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        let span = debug_span!("transact", operations = operations.len());
        let call = self.inner().transact(operations).instrument(span);
        self.observe(&self.calls.transact, call).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        let call = self.inner().scan(options).instrument(debug_span!("scan"));
        self.observe(&self.calls.scan, call).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        let call = self
            .inner()
            .changes(options)
            .instrument(debug_span!("changes"));
        self.observe(&self.calls.changes, call).await
    }

    async fn count(&self, prefix: &Prefix, start_after: Option<&Key>) -> Result<Count> {
        let call = self.inner().count(prefix, start_after);
        let call = call.instrument(debug_span!("count"));
        self.observe(&self.calls.count, call).await
    }

    async fn stats(&self) -> Result<Stats> {
        let call = self.inner().stats().instrument(debug_span!("stats"));
        self.observe(&self.calls.stats, call).await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.inner().check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner().capabilities()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

impl fmt::Display for ObservedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "observed({})", self.inner)
    }
}

impl From<prometheus::Error> for Error {
    fn from(error: prometheus::Error) -> Self {
        let message = format!("a metric cannot be registered: {error}");
        Self::new(ErrorKind::Internal, message).with_source(error)
    }
}
