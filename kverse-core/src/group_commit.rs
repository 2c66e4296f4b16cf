//! Group commit: concurrent writes share one commit.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use prometheus::{Histogram, HistogramOpts, Registry};

use crate::batch_queue::{BatchQueue, BatchWork};
use crate::{
    Capabilities, ComponentHealth, Error, ErrorKind, Key, KvStore, Operation, OperationOutcome,
    Page, ReadOutcome, Result, ScanOptions, Stats, Write, WriteOutcome,
};

/// Writes that arrive while a batch is being written form the next batch (group commit: DeWitt et al., 1984). With no
/// batch under way a write goes at once, so that a single writer never waits for company. Writes of a key stay in the
/// order in which they arrived. Transactions and reads pass through.
///
/// One batch is in flight at a time, of at most `max_batch_operations` and `max_batch_bytes` of the inner store's
/// [`Limits`](crate::Limits); 16 times that may wait, more is `Unavailable`. Must be used within a tokio runtime, in which the
/// batches run.
#[derive(Debug)]
pub struct GroupCommitStore {
    queue: BatchQueue<Writes>,
}

#[derive(Debug)]
struct Writes {
    inner: Arc<dyn KvStore>,
    batch_sizes: Option<Histogram>,
}

type WriteResults = Result<Vec<Result<WriteOutcome>>>;

impl GroupCommitStore {
    /// Group commit in front of `inner`. With a registry, the histogram `kverse_store_batch_writes` has the writes of each
    /// batch.
    ///
    /// # Errors
    /// `Internal` if the registry has a metric of this name already.
    pub fn new(inner: Arc<dyn KvStore>, metrics: Option<&Registry>) -> Result<Self> {
        let batch_sizes = match metrics {
            Some(registry) => Some(register(registry)?),
            None => None,
        };
        let limits = inner.capabilities().limits;
        Ok(Self {
            queue: BatchQueue::new(Writes { inner, batch_sizes }, limits, 1),
        })
    }

    fn inner(&self) -> &dyn KvStore {
        &*self.queue.work().inner
    }
}

fn register(registry: &Registry) -> prometheus::Result<Histogram> {
    let buckets = vec![
        1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0,
    ];
    let options = HistogramOpts::new("kverse_store_batch_writes", "Writes that share a commit");
    let batch_sizes = Histogram::with_opts(options.buckets(buckets))?;
    registry.register(Box::new(batch_sizes.clone()))?;
    Ok(batch_sizes)
}

#[async_trait]
impl BatchWork for Writes {
    type Item = Vec<Write>;
    type Outcome = WriteResults;

    fn size(writes: &Vec<Write>) -> (usize, usize) {
        (writes.len(), writes.iter().map(Write::size).sum())
    }

    async fn run(&self, calls: Vec<Vec<Write>>) -> Vec<WriteResults> {
        let counts: Vec<usize> = calls.iter().map(Vec::len).collect();
        let writes: Vec<Write> = calls.into_iter().flatten().collect();
        let written = writes.len();
        if let Some(batch_sizes) = &self.batch_sizes {
            batch_sizes.observe(written as f64);
        }
        let mut results = match self.inner.write(writes).await {
            Ok(results) if results.len() == written => results.into_iter(),
            Ok(_) => {
                let error = Error::new(ErrorKind::Internal, "the store lost outcomes of a batch");
                return counts.iter().map(|_| Err(error.clone())).collect();
            }
            Err(error) => return counts.iter().map(|_| Err(error.clone())).collect(),
        };
        counts
            .into_iter()
            .map(|count| Ok(results.by_ref().take(count).collect()))
            .collect()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl KvStore for GroupCommitStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.inner().read(keys).await
    }

    async fn write(&self, writes: Vec<Write>) -> WriteResults {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        self.queue.submit(writes).await?
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        self.inner().transact(operations).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.inner().scan(options).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.inner().stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.inner().check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.inner().capabilities()
    }
}

impl fmt::Display for GroupCommitStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group-commit({})", self.inner())
    }
}
