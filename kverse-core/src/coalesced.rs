//! Read coalescing: concurrent reads share one fetch.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::batch_queue::{Answers, BatchQueue, BatchWork};
use crate::{
    Capabilities, ChangePage, ChangesOptions, ComponentHealth, Count, ErrorKind, Key, KvStore,
    Operation, OperationOutcome, Page, Prefix, ReadOutcome, Result, ScanOptions, Stats, Write,
    WriteOutcome,
};

/// Reads that arrive while others are being done are read together, each key once.
///
/// A read never joins one that has started: what that one sees may be older than a write that was answered in between.
/// It joins the next. Everything but reads passes through. Must be used within a tokio runtime, in which the reads run.
#[derive(Debug)]
pub struct CoalescedStore {
    queue: BatchQueue<Reads>,
}

#[derive(Debug)]
struct Reads {
    inner: Arc<dyn KvStore>,
}

impl CoalescedStore {
    /// Read coalescing in front of `inner`, with at most `max_in_flight` reads of it at the same time (at least 1).
    pub fn new(inner: Arc<dyn KvStore>, max_in_flight: usize) -> Self {
        let limits = inner.capabilities().limits;
        Self {
            queue: BatchQueue::new(Reads { inner }, limits, max_in_flight.max(1)),
        }
    }

    fn inner(&self) -> &dyn KvStore {
        &*self.queue.work().inner
    }
}

impl Reads {
    /// So that no call fails because of another.
    async fn one_by_one(&self, calls: Vec<Vec<Key>>) -> Vec<Result<Vec<ReadOutcome>>> {
        let mut outcomes = Vec::with_capacity(calls.len());
        for keys in calls {
            outcomes.push(self.inner.read(&keys).await);
        }
        outcomes
    }

    async fn read_together(&self, mut calls: Vec<Vec<Key>>) -> Vec<Result<Vec<ReadOutcome>>> {
        if calls.len() == 1 {
            let keys = calls.pop().unwrap_or_default();
            return vec![self.inner.read(&keys).await];
        }
        let mut unique: Vec<Key> = Vec::new();
        let mut index_of: HashMap<Key, usize> = HashMap::new();
        for key in calls.iter().flatten() {
            index_of.entry(key.clone()).or_insert_with(|| {
                unique.push(key.clone());
                unique.len() - 1
            });
        }
        let found = match self.inner.read(&unique).await {
            Ok(found) => found,
            Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) => {
                return calls.iter().map(|_| Err(error.clone())).collect();
            }
            // Too much together, or one of the entries is damaged.
            Err(_) => return self.one_by_one(calls).await,
        };
        let outcomes = |keys: &Vec<Key>| {
            keys.iter()
                .map(|key| found[index_of[key]].clone())
                .collect()
        };
        calls.iter().map(|keys| Ok(outcomes(keys))).collect()
    }
}

#[async_trait]
impl BatchWork for Reads {
    type Item = Vec<Key>;
    type Outcome = Result<Vec<ReadOutcome>>;

    fn size(keys: &Vec<Key>) -> (usize, usize) {
        (keys.len(), 0)
    }

    async fn run(&self, calls: Vec<Vec<Key>>, answers: Answers<Result<Vec<ReadOutcome>>>) {
        answers.send(self.read_together(calls).await);
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl KvStore for CoalescedStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.queue.submit(keys.to_vec()).await?
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        self.inner().write(writes).await
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

impl fmt::Display for CoalescedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "coalesced({})", self.inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KvStoreExt, MemoryStore};

    #[tokio::test]
    async fn a_read_that_is_too_large_fails_alone() {
        let backend = Arc::new(MemoryStore::default());
        let limits = backend.capabilities().limits;
        let count = limits.max_batch_bytes / limits.max_value_bytes + 1;
        let keys: Vec<Key> = (0..count).map(|i| i.to_string().parse().unwrap()).collect();
        for key in &keys {
            let value = vec![0; limits.max_value_bytes];
            backend.put(key, value).await.unwrap();
        }
        let store = CoalescedStore::new(backend, 1);
        let (before, too_large, after) = tokio::join!(
            store.read(&keys[..1]),
            store.read(&keys),
            store.read(&keys[1..])
        );
        assert_eq!(before.unwrap().len(), 1);
        assert_eq!(too_large.unwrap_err().kind(), ErrorKind::TooLarge);
        assert_eq!(after.unwrap().len(), count - 1);
    }
}
