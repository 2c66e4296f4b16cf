//! Writes through a cache.

use std::sync::Arc;

use async_trait::async_trait;

use super::cache::{Cache, Finish, Mark};
use super::marked::Marked;
use super::marks::{behind, mark};
use crate::batch_queue::BatchWork;
use crate::calls::{Batch, Call, WriteResults};
use crate::{Key, KvStore, Operation, OperationOutcome, Result, Write};

/// Writes that go to the backend behind marks in the cache.
#[derive(Clone, Debug)]
pub(super) struct MarkedWrites {
    pub(super) cache: Arc<dyn Cache>,
    pub(super) backend: Arc<dyn KvStore>,
}

/// What the cache is to be told once those who wrote have their answers: readers who meet the mark until then go to the
/// backend.
pub(super) type Untold = Option<(Mark, Vec<(Key, Finish)>)>;

impl MarkedWrites {
    /// So many batches may be in flight: while one is committed, the next marks its keys, or the last one tells the cache
    /// what became of it.
    pub(super) const BATCHES: usize = 2;

    pub(super) async fn write(&self, writes: Vec<Write>) -> (WriteResults, Untold) {
        let mut marked = Marked::default();
        for write in &writes {
            marked.add(write);
        }
        if marked.keys.is_empty() {
            return (self.backend.write(writes).await, None);
        }
        let mark = match mark(&self.cache, &marked.keys).await {
            Ok(mark) => mark,
            Err(error) => return (Err(error), None),
        };
        let write = self.backend.write(writes);
        let results = behind(&self.cache, &mark, &marked.keys, write).await;
        let outcomes = results
            .as_ref()
            .ok()
            .map(|results| results.iter().map(Result::as_ref));
        let finishes = marked.outcomes(outcomes);
        (results, Some((mark, finishes)))
    }

    pub(super) async fn transact(
        &self,
        operations: Vec<Operation>,
    ) -> (Result<Vec<OperationOutcome>>, Untold) {
        let mut marked = Marked::default();
        for operation in &operations {
            if let Operation::Write(write) = operation {
                marked.add(write);
            }
        }
        if marked.keys.is_empty() {
            return (self.backend.transact(operations).await, None);
        }
        let mark = match mark(&self.cache, &marked.keys).await {
            Ok(mark) => mark,
            Err(error) => return (Err(error), None),
        };
        let transaction = self.backend.transact(operations);
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
    type Rest = Untold;

    fn size(call: &Call) -> (usize, usize) {
        call.size()
    }

    async fn run(&self, calls: Vec<Call>) -> (Vec<WriteResults>, Untold) {
        let batch = Batch::new(calls);
        let (results, untold) = self.write(batch.writes).await;
        (batch.counts.split(results), untold)
    }

    async fn complete(&self, untold: Untold) {
        self.tell(untold).await;
    }
}
