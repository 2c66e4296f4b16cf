//! Group commit: concurrent writes share one commit.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use prometheus::{Histogram, HistogramOpts, Registry};

use crate::batch_queue::{Answers, BatchQueue, BatchWork};
use crate::cached::{with_write_fence, write_fence};
use crate::calls::{Batch, Call, WriteResults};
use crate::{
    Capabilities, ChangePage, ChangesOptions, ComponentHealth, Count, Key, KvStore, Operation,
    OperationOutcome, Page, Prefix, ReadOutcome, Result, ScanOptions, Stats, Write,
};

/// Writes that arrive while a batch is being written form the next batch (group commit: DeWitt et al., 1984). With no
/// batch under way a write goes at once, so that a single writer never waits for company. Writes of a key stay in the
/// order in which they arrived. Transactions and reads pass through.
///
/// A batch keeps the earliest [`write_fence`] of its writes; one whose fence has passed is refused.
///
/// One batch is in flight at a time, of at most `max_batch_operations` and `max_batch_bytes` of the inner store's
/// [`Limits`](crate::Limits); 16 times that may wait, more is `Unavailable`. Batches run on the tokio runtime on which the
/// store was made, so that they need not wait for requests on the threads of others; a write that finds no batch under way
/// is written from its own.
#[derive(Debug)]
pub struct GroupCommitStore {
    queue: BatchQueue<Writes>,
}

#[derive(Debug)]
struct Writes {
    inner: Arc<dyn KvStore>,
    batch_sizes: Option<Histogram>,
}

impl GroupCommitStore {
    /// Group commit in front of `inner`. With a registry, the histogram `kverse_store_batch_writes` has the writes of each
    /// batch.
    ///
    /// # Errors
    /// `Internal` if the registry has a metric of this name already, and outside a tokio runtime.
    pub fn new(inner: Arc<dyn KvStore>, metrics: Option<&Registry>) -> Result<Self> {
        let batch_sizes = match metrics {
            Some(registry) => Some(register(registry)?),
            None => None,
        };
        let limits = inner.capabilities().limits;
        Ok(Self {
            queue: BatchQueue::near(Writes { inner, batch_sizes }, limits, 1)?,
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
    type Item = Call;
    type Outcome = WriteResults;

    fn size(call: &Call) -> (usize, usize) {
        call.size()
    }

    async fn run(&self, calls: Vec<Call>, answers: Answers<WriteResults>) {
        let batch = Batch::new(calls);
        if let Some(batch_sizes) = &self.batch_sizes {
            batch_sizes.observe(batch.writes.len() as f64);
        }
        let write = self.inner.write(batch.writes);
        let results = match batch.fence {
            Some(fence) => with_write_fence(fence, write).await,
            None => write.await,
        };
        answers.send(batch.counts.split(results));
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
        let fence = write_fence();
        self.queue.submit(Call { writes, fence }).await?
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        self.inner().transact(operations).await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.inner().scan(options).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.inner().changes(options).await
    }

    async fn count(&self, prefix: &Prefix, start_after: Option<&Key>) -> Result<Count> {
        self.inner().count(prefix, start_after).await
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

    async fn close(&self) {
        self.inner().close().await;
    }
}

impl fmt::Display for GroupCommitStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group-commit({})", self.inner())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::{Error, ErrorKind, KvStoreExt, MemoryStore};

    #[tokio::test(start_paused = true)]
    async fn a_write_behind_its_fence_is_refused_and_others_are_done() {
        let inner = GroupCommitStore::new(Arc::new(MemoryStore::default()), None).unwrap();
        let store = GroupCommitStore::new(Arc::new(inner), None).unwrap();
        let (late, early): (Key, Key) = ("late".parse().unwrap(), "early".parse().unwrap());
        let now = Instant::now();
        let written = with_write_fence(now, store.put(&late, "1")).await;
        assert_eq!(written.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(store.get(&late).await.unwrap(), None);

        let fence = now + Duration::from_secs(1);
        with_write_fence(fence, store.put(&early, "1"))
            .await
            .unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let written = with_write_fence(fence, store.put(&early, "2")).await;
        assert_eq!(written.unwrap_err().kind(), ErrorKind::Unavailable);
        assert_eq!(store.get(&early).await.unwrap().unwrap().value, "1");
    }

    /// Says what fence its writes came with, by refusing them.
    #[derive(Debug)]
    struct Fenced(MemoryStore);

    #[async_trait]
    impl KvStore for Fenced {
        async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
            self.0.read(keys).await
        }

        async fn write(&self, _: Vec<Write>) -> WriteResults {
            let message = format!("{:?}", write_fence());
            Err(Error::new(ErrorKind::Unavailable, message))
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
            self.0.stats().await
        }

        async fn check(&self) -> Vec<ComponentHealth> {
            self.0.check().await
        }

        fn capabilities(&self) -> Capabilities {
            self.0.capabilities()
        }
    }

    impl fmt::Display for Fenced {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("fenced")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_has_the_earliest_fence_of_its_writes() {
        let store = GroupCommitStore::new(Arc::new(Fenced(MemoryStore::default())), None).unwrap();
        let key: Key = "k".parse().unwrap();
        let fence = |secs| Instant::now() + Duration::from_secs(secs);
        let (first, second) = (fence(2), fence(1));
        // All three are submitted before the task of the batch runs.
        let (a, b, c) = tokio::join!(
            with_write_fence(first, store.put(&key, "1")),
            with_write_fence(second, store.put(&key, "2")),
            store.put(&key, "3"),
        );
        for written in [a, b, c] {
            assert_eq!(
                written.unwrap_err().to_string(),
                format!("{:?}", Some(second))
            );
        }
    }
}
