//! The one queue behind group commit and read coalescing.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::{Error, ErrorKind, Limits, Result};

/// How items are done together.
#[async_trait]
pub(crate) trait BatchWork: Send + Sync + 'static {
    type Item: Send + 'static;
    type Outcome: Send + 'static;

    /// The operations and bytes that an item counts towards a batch.
    fn size(item: &Self::Item) -> (usize, usize);

    /// Does a batch; one outcome an item, in order.
    async fn run(&self, items: Vec<Self::Item>) -> Vec<Self::Outcome>;
}

/// Items that arrive while a batch is being done form the next batch. With nothing to wait for, an item goes at once:
/// there is no timer. A batch runs in a task of its own, so that a caller who goes away cannot stop it half-way.
pub(crate) struct BatchQueue<W: BatchWork>(Arc<Shared<W>>);

struct Shared<W: BatchWork> {
    work: W,
    /// The largest batch.
    limits: Limits,
    /// How many batches may be done at the same time.
    max_in_flight: usize,
    state: Mutex<State<W>>,
}

struct State<W: BatchWork> {
    waiting: VecDeque<Waiting<W>>,
    waiting_operations: usize,
    waiting_bytes: usize,
    in_flight: usize,
}

struct Waiting<W: BatchWork> {
    item: W::Item,
    answer: oneshot::Sender<W::Outcome>,
}

impl<W: BatchWork> BatchQueue<W> {
    /// So many full batches may wait; what comes then is refused.
    const MAX_WAITING_BATCHES: usize = 16;

    pub(crate) fn new(work: W, limits: Limits, max_in_flight: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            waiting_operations: 0,
            waiting_bytes: 0,
            in_flight: 0,
        };
        Self(Arc::new(Shared {
            work,
            limits,
            max_in_flight,
            state: Mutex::new(state),
        }))
    }

    pub(crate) fn work(&self) -> &W {
        &self.0.work
    }

    /// Has the item done with the next batch.
    ///
    /// # Errors
    /// `TooLarge` if the item alone is larger than a batch may be, `Unavailable` if too many wait already, `Timeout` if
    /// the batch ended without an answer, because its runtime was shut down.
    pub(crate) async fn submit(&self, item: W::Item) -> Result<W::Outcome> {
        let (operations, bytes) = W::size(&item);
        self.0.limits.check_batch(operations, bytes)?;
        let (answer, outcome) = oneshot::channel();
        self.0.push(Waiting { item, answer }, operations, bytes)?;
        outcome.await.map_err(|error| {
            Error::new(ErrorKind::Timeout, "the batch ended without an answer").with_source(error)
        })
    }
}

impl<W: BatchWork> Shared<W> {
    /// The lock is only held for moves between collections, which leave them whole.
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(self: &Arc<Self>, item: Waiting<W>, operations: usize, bytes: usize) -> Result<()> {
        let mut state = self.lock();
        let max_operations =
            self.limits.max_batch_operations * BatchQueue::<W>::MAX_WAITING_BATCHES;
        let max_bytes = self.limits.max_batch_bytes * BatchQueue::<W>::MAX_WAITING_BATCHES;
        if state.waiting_operations + operations > max_operations
            || state.waiting_bytes + bytes > max_bytes
        {
            let message = format!(
                "too many operations wait for the store: {} operations of {} bytes, at most {max_operations} and {max_bytes}",
                state.waiting_operations, state.waiting_bytes
            );
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        state.waiting_operations += operations;
        state.waiting_bytes += bytes;
        state.waiting.push_back(item);
        if state.in_flight < self.max_in_flight {
            state.in_flight += 1;
            let runner = Runner {
                shared: Arc::clone(self),
                ended: false,
            };
            tokio::spawn(runner.run());
        }
        Ok(())
    }

    /// The next batch; `None` if nothing waits, and then one batch less is in flight.
    fn next(&self) -> Option<Batch<W>> {
        let mut state = self.lock();
        let (mut items, mut answers) = (Vec::new(), Vec::new());
        let (mut operations, mut bytes) = (0, 0);
        while let Some(waiting) = state.waiting.pop_front() {
            let size = W::size(&waiting.item);
            let fits = self
                .limits
                .check_batch(operations + size.0, bytes + size.1)
                .is_ok();
            if !fits && !items.is_empty() {
                state.waiting.push_front(waiting);
                break;
            }
            (operations, bytes) = (operations + size.0, bytes + size.1);
            items.push(waiting.item);
            answers.push(waiting.answer);
        }
        state.waiting_operations -= operations;
        state.waiting_bytes -= bytes;
        if items.is_empty() {
            // Under the same lock as the look, or an item that comes in between would wait for nobody.
            state.in_flight -= 1;
            return None;
        }
        Some(Batch { items, answers })
    }
}

struct Batch<W: BatchWork> {
    items: Vec<W::Item>,
    answers: Vec<oneshot::Sender<W::Outcome>>,
}

/// A task that does batches until nothing waits.
struct Runner<W: BatchWork> {
    shared: Arc<Shared<W>>,
    ended: bool,
}

impl<W: BatchWork> Runner<W> {
    async fn run(mut self) {
        while let Some(batch) = self.shared.next() {
            let outcomes = self.shared.work.run(batch.items).await;
            for (answer, outcome) in batch.answers.into_iter().zip(outcomes) {
                // A caller who went away does not hear it.
                let _ = answer.send(outcome);
            }
        }
        self.ended = true;
    }
}

impl<W: BatchWork> Drop for Runner<W> {
    /// When a batch panicked or its runtime ended: those who wait are told, and the next one starts anew.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut state = self.shared.lock();
        state.in_flight -= 1;
        if state.in_flight == 0 {
            state.waiting.clear();
            (state.waiting_operations, state.waiting_bytes) = (0, 0);
        }
    }
}

impl<W: BatchWork> fmt::Debug for BatchQueue<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("BatchQueue")
            .field("waiting", &state.waiting.len())
            .field("in_flight", &state.in_flight)
            .finish()
    }
}
