//! Writes through a cache.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::future::join;

use super::cache::{Cache, Finish, Mark};
use super::marked::Marked;
use super::marks::{behind, mark};
use crate::batch_queue::{Answers, BatchWork};
use crate::calls::{Batch, Call, WriteResults};
use crate::{Key, KvStore, Operation, OperationOutcome, Result, Write};

/// Writes that go to the backend behind marks in the cache.
#[derive(Debug)]
pub(super) struct MarkedWrites {
    cache: Arc<dyn Cache>,
    backend: Arc<dyn KvStore>,
    /// Of the last batch.
    last: Mutex<Untold>,
}

/// What the cache is to be told once those who wrote have their answers: readers who meet the mark until then go to the
/// backend.
pub(super) type Untold = Option<(Mark, Vec<(Key, Finish)>)>;

impl MarkedWrites {
    pub(super) fn new(cache: Arc<dyn Cache>, backend: Arc<dyn KvStore>) -> Self {
        Self {
            cache,
            backend,
            last: Mutex::default(),
        }
    }

    fn last(&self) -> MutexGuard<'_, Untold> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tell_of_last(&self) {
        let untold = self.last().take();
        self.tell(untold).await;
    }

    pub(super) async fn write(&self, writes: Vec<Write>) -> (WriteResults, Untold) {
        let batch = match self.mark(writes.iter()).await {
            Ok(batch) => batch,
            Err(error) => return (Err(error), None),
        };
        let write = self.backend.write(writes);
        let Some((mark, marked)) = batch else {
            return (write.await, None);
        };
        let write = behind(&self.cache, &mark, &marked.keys, write);
        let (results, ()) = join(write, self.tell_of_last()).await;
        let outcomes = results
            .as_ref()
            .ok()
            .map(|results| results.iter().map(Result::as_ref));
        let finishes = marked.outcomes(outcomes);
        (results, Some((mark, finishes)))
    }

    /// Marks the keys of writes; `None` if there are none.
    async fn mark(&self, writes: impl Iterator<Item = &Write>) -> Result<Option<(Mark, Marked)>> {
        let mut marked = Marked::default();
        for write in writes {
            marked.add(write);
        }
        if marked.keys.is_empty() {
            return Ok(None);
        }
        let mark = mark(&self.cache, &marked.keys).await?;
        Ok(Some((mark, marked)))
    }

    pub(super) async fn transact(
        &self,
        operations: Vec<Operation>,
    ) -> (Result<Vec<OperationOutcome>>, Untold) {
        let writes = operations.iter().filter_map(|operation| match operation {
            Operation::Write(write) => Some(write),
            Operation::Get { .. } => None,
        });
        let batch = match self.mark(writes).await {
            Ok(batch) => batch,
            Err(error) => return (Err(error), None),
        };
        let transaction = self.backend.transact(operations);
        let Some((mark, marked)) = batch else {
            return (transaction.await, None);
        };
        let results = behind(&self.cache, &mark, &marked.keys, transaction).await;
        let outcomes = match &results {
            Ok(results) => Some(results.iter().filter_map(|result| match result {
                OperationOutcome::Write(outcome) => Some(Ok(outcome)),
                OperationOutcome::Get(_) => None,
            })),
            Err(_) => None,
        };
        let finishes = marked.outcomes(outcomes);
        (results, Some((mark, finishes)))
    }

    pub(super) async fn tell(&self, untold: Untold) {
        if let Some((mark, finishes)) = untold {
            self.cache.finish(mark, finishes).await;
        }
    }
}

#[async_trait]
impl BatchWork for MarkedWrites {
    type Item = Call;
    type Outcome = WriteResults;

    fn size(call: &Call) -> (usize, usize) {
        call.size()
    }

    /// The cache is told of a batch while the next one is written, or when there is none: what waits for its marks comes
    /// first.
    async fn run(&self, calls: Vec<Call>, answers: Answers<WriteResults>) {
        let Batch { writes, counts, .. } = Batch::new(calls);
        let (results, untold) = self.write(writes).await;
        answers.send(counts.split(results));
        let last = std::mem::replace(&mut *self.last(), untold);
        // If there was nothing to write meanwhile.
        self.tell(last).await;
    }

    async fn idle(&self) {
        self.tell_of_last().await;
    }
}
