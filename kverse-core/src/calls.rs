//! The writes of several callers as one batch.

use tokio::time::Instant;

use crate::{Error, ErrorKind, Result, Write, WriteOutcome};

/// What `KvStore::write` answers.
pub(crate) type WriteResults = Result<Vec<Result<WriteOutcome>>>;

/// What one caller wants written, and until when it may be.
pub(crate) struct Call {
    pub(crate) writes: Vec<Write>,
    pub(crate) fence: Option<Instant>,
}

impl Call {
    /// Operations and bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.writes.len(), self.writes.iter().map(Write::size).sum())
    }
}

/// The writes of calls, in order, without those that come too late.
pub(crate) struct Batch {
    pub(crate) writes: Vec<Write>,
    /// The earliest of the fences.
    pub(crate) fence: Option<Instant>,
    pub(crate) counts: Counts,
}

/// How many writes of a batch belong to each call; `None`: it came too late.
pub(crate) struct Counts(Vec<Option<usize>>);

impl Batch {
    pub(crate) fn new(calls: Vec<Call>) -> Self {
        let now = Instant::now();
        let mut batch = Self {
            writes: Vec::with_capacity(calls.len()),
            fence: None,
            counts: Counts(Vec::with_capacity(calls.len())),
        };
        for call in calls {
            if call.fence.is_some_and(|fence| fence <= now) {
                batch.counts.0.push(None);
                continue;
            }
            batch.fence = batch.fence.into_iter().chain(call.fence).min();
            batch.counts.0.push(Some(call.writes.len()));
            batch.writes.extend(call.writes);
        }
        batch
    }
}

impl Counts {
    /// The results of each call.
    pub(crate) fn split(self, results: WriteResults) -> Vec<WriteResults> {
        let count: usize = self.0.iter().flatten().sum();
        let mut results = match results {
            Ok(results) if results.len() == count => Ok(results.into_iter()),
            Ok(_) => {
                let message = "the store lost outcomes of a batch";
                Err(Error::new(ErrorKind::Internal, message))
            }
            Err(error) => Err(error),
        };
        let answer = |count| match (count, &mut results) {
            (None, _) => {
                let message = "the write waited for too long; nothing was stored";
                Err(Error::new(ErrorKind::Unavailable, message))
            }
            (Some(count), Ok(results)) => Ok(results.take(count).collect()),
            (Some(_), Err(error)) => Err(error.clone()),
        };
        self.0.into_iter().map(answer).collect()
    }
}
