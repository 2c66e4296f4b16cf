//! The one queue behind group commit and read coalescing.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::answer::in_time;
use crate::{Error, ErrorKind, Limits, Result};

/// How items are done together.
#[async_trait]
pub(crate) trait BatchWork: Send + Sync + 'static {
    type Item: Send + 'static;
    type Outcome: Send + 'static;

    /// The operations and bytes that an item counts towards a batch.
    fn size(item: &Self::Item) -> (usize, usize);

    /// Does a batch, and answers with one outcome an item, in order. Returns when another batch may take its place, which
    /// may be before it is done.
    async fn run(&self, items: Vec<Self::Item>, answers: Answers<Self::Outcome>);

    /// Called when a batch is done and nothing waits: time for what could be put off. Another batch may begin meanwhile.
    async fn idle(&self) {}
}

/// Items that arrive while a batch is being done form the next batch. With nothing to wait for, an item goes at once:
/// there is no timer. A batch runs in a task of its own, so that a caller who goes away cannot stop it half-way.
pub(crate) struct BatchQueue<W: BatchWork>(Arc<Shared<W>>);

/// Where batches run.
enum Place {
    /// Where the item was submitted that begins them.
    Caller,
    /// On this runtime.
    Runtime(Handle),
    /// The first where its item was submitted, those that follow without a pause on this runtime.
    CallerThen(Handle),
}

fn current_runtime() -> Result<Handle> {
    Handle::try_current().map_err(|error| {
        let message = "a queue of batches needs a tokio runtime";
        Error::new(ErrorKind::Internal, message).with_source(error)
    })
}

struct Shared<W: BatchWork> {
    work: W,
    /// The largest batch.
    limits: Limits,
    /// How many batches may be done at the same time.
    max_in_flight: usize,
    place: Place,
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

    /// Batches run on the runtime where the item was submitted that begins them.
    pub(crate) fn new(work: W, limits: Limits, max_in_flight: usize) -> Self {
        Self::at(Place::Caller, work, limits, max_in_flight)
    }

    /// Batches run on the current runtime.
    ///
    /// # Errors
    /// `Internal` outside a runtime.
    pub(crate) fn here(work: W, limits: Limits, max_in_flight: usize) -> Result<Self> {
        let place = Place::Runtime(current_runtime()?);
        Ok(Self::at(place, work, limits, max_in_flight))
    }

    /// Batches run on the current runtime, but an item that finds nothing under way is done where it was submitted: to wake
    /// another thread takes longer than to do it.
    ///
    /// # Errors
    /// `Internal` outside a runtime.
    pub(crate) fn near(work: W, limits: Limits, max_in_flight: usize) -> Result<Self> {
        let place = Place::CallerThen(current_runtime()?);
        Ok(Self::at(place, work, limits, max_in_flight))
    }

    fn at(place: Place, work: W, limits: Limits, max_in_flight: usize) -> Self {
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
            place,
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
    /// the batch takes too long, or ended without an answer, because it panicked or its runtime was shut down.
    pub(crate) async fn submit(&self, item: W::Item) -> Result<W::Outcome> {
        let (operations, bytes) = W::size(&item);
        self.0.limits.check_batch(operations, bytes)?;
        let (answer, outcome) = oneshot::channel();
        self.0.push(Waiting { item, answer }, operations, bytes)?;
        in_time(async {
            outcome.await.map_err(|error| {
                Error::new(ErrorKind::Timeout, "the batch ended without an answer")
                    .with_source(error)
            })
        })
        .await
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
            // A runtime that is shutting down drops the runner at once, which takes the lock.
            drop(state);
            let runner = Runner {
                shared: Arc::clone(self),
                ended: false,
            };
            match &self.place {
                Place::Caller => tokio::spawn(runner.run()),
                Place::Runtime(runtime) => runtime.spawn(runner.run()),
                Place::CallerThen(runtime) => tokio::spawn(runner.run_first(runtime.clone())),
            };
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
        let answers = Answers(answers);
        Some(Batch { items, answers })
    }
}

struct Batch<W: BatchWork> {
    items: Vec<W::Item>,
    answers: Answers<W::Outcome>,
}

/// Those who wait for the outcomes of a batch, in the order of its items. Dropped, they are told that there are none.
pub(crate) struct Answers<T>(Vec<oneshot::Sender<T>>);

impl<T> Answers<T> {
    pub(crate) fn send(self, outcomes: Vec<T>) {
        for (answer, outcome) in self.0.into_iter().zip(outcomes) {
            // A caller who went away does not hear it.
            let _ = answer.send(outcome);
        }
    }
}

/// A task that does batches until nothing waits.
struct Runner<W: BatchWork> {
    shared: Arc<Shared<W>>,
    ended: bool,
}

impl<W: BatchWork> Runner<W> {
    /// Does one batch here, and what waits by then on that runtime.
    async fn run_first(self, runtime: Handle) {
        if let Some(batch) = self.shared.next() {
            self.shared.work.run(batch.items, batch.answers).await;
        }
        match self.shared.next() {
            None => self.run_from(None).await,
            next => drop(runtime.spawn(self.run_from(next))),
        }
    }

    async fn run(self) {
        let first = self.shared.next();
        self.run_from(first).await;
    }

    async fn run_from(mut self, mut next: Option<Batch<W>>) {
        while let Some(batch) = next {
            self.shared.work.run(batch.items, batch.answers).await;
            next = self.shared.next();
        }
        self.ended = true;
        self.shared.work.idle().await;
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

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::sync::Semaphore;

    use super::*;

    const UNLUCKY: u32 = 1313;

    /// Doubles numbers, a batch for each permit; panics on the unlucky one.
    struct Doubling {
        permits: Arc<Semaphore>,
        batches: Arc<Mutex<Vec<Vec<u32>>>>,
    }

    #[async_trait]
    impl BatchWork for Doubling {
        type Item = u32;
        type Outcome = u32;

        fn size(_: &u32) -> (usize, usize) {
            (1, 100)
        }

        async fn run(&self, items: Vec<u32>, answers: Answers<u32>) {
            self.permits.acquire().await.unwrap().forget();
            assert!(!items.contains(&UNLUCKY), "unlucky");
            self.batches.lock().unwrap().push(items.clone());
            answers.send(items.iter().map(|item| item * 2).collect());
        }
    }

    struct Fixture {
        queue: Arc<BatchQueue<Doubling>>,
        permits: Arc<Semaphore>,
        batches: Arc<Mutex<Vec<Vec<u32>>>>,
    }

    fn fixture(max_operations: usize) -> Fixture {
        let (permits, batches) = (Arc::new(Semaphore::new(0)), Arc::default());
        let work = Doubling {
            permits: Arc::clone(&permits),
            batches: Arc::clone(&batches),
        };
        let limits = Limits {
            max_batch_operations: max_operations,
            ..Limits::default()
        };
        Fixture {
            queue: Arc::new(BatchQueue::new(work, limits, 1)),
            permits,
            batches,
        }
    }

    impl Fixture {
        /// Submits the item and lets its task run until it waits.
        async fn submit(&self, item: u32) -> tokio::task::JoinHandle<Result<u32>> {
            let queue = Arc::clone(&self.queue);
            let submitted = tokio::spawn(async move { queue.submit(item).await });
            tokio::time::sleep(Duration::from_millis(1)).await;
            submitted
        }

        fn batches(&self) -> Vec<Vec<u32>> {
            self.batches.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_arrives_during_a_batch_is_the_next_batch() {
        let fixture = fixture(10);
        let mut submitted = Vec::new();
        for item in [1, 2, 3] {
            submitted.push(fixture.submit(item).await);
        }
        fixture.permits.add_permits(2);
        for (submitted, item) in submitted.into_iter().zip(1..) {
            assert_eq!(submitted.await.unwrap().unwrap(), item * 2);
        }
        assert_eq!(fixture.batches(), [vec![1], vec![2, 3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_is_bounded() {
        let fixture = fixture(2);
        let mut submitted = Vec::new();
        for item in 0..4 {
            submitted.push(fixture.submit(item).await);
        }
        fixture.permits.add_permits(3);
        for submitted in submitted {
            submitted.await.unwrap().unwrap();
        }
        assert_eq!(fixture.batches(), [vec![0], vec![1, 2], vec![3]]);
    }

    #[tokio::test(start_paused = true)]
    async fn too_many_waiting_are_refused() {
        let fixture = fixture(1);
        let mut submitted = Vec::new();
        for item in 0..17 {
            submitted.push(fixture.submit(item).await);
        }
        let error = fixture.queue.submit(17).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        fixture.permits.add_permits(18);
        for submitted in submitted {
            submitted.await.unwrap().unwrap();
        }
        fixture.queue.submit(17).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_is_done_although_its_caller_went_away() {
        let fixture = fixture(10);
        fixture.submit(1).await.abort();
        let second = fixture.submit(2).await;
        fixture.permits.add_permits(2);
        second.await.unwrap().unwrap();
        assert_eq!(fixture.batches(), [vec![1], vec![2]]);
    }

    #[test]
    fn a_runtime_that_was_shut_down_answers() {
        let fixture = fixture(10);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let queue = Arc::clone(&fixture.queue);
        let (sender, answer) = std::sync::mpsc::channel();
        // In a thread of its own, which a deadlock would hold.
        std::thread::spawn(move || {
            let _entered = handle.enter();
            for item in [1, 2] {
                let answer = queue.submit(item).now_or_never();
                sender.send(answer.unwrap().unwrap_err().kind()).unwrap();
            }
        });
        for _ in 0..2 {
            let kind = answer.recv_timeout(Duration::from_secs(10)).unwrap();
            assert_eq!(kind, ErrorKind::Timeout);
        }
    }

    /// Answers with the thread that did it.
    #[derive(Clone)]
    struct Whereabouts {
        /// A permit for each batch that has begun.
        begun: Arc<Semaphore>,
        /// A permit for each batch that may end.
        ends: Arc<Semaphore>,
    }

    #[async_trait]
    impl BatchWork for Whereabouts {
        type Item = ();
        type Outcome = ThreadId;

        fn size((): &()) -> (usize, usize) {
            (1, 1)
        }

        async fn run(&self, items: Vec<()>, answers: Answers<ThreadId>) {
            self.begun.add_permits(1);
            self.ends.acquire().await.unwrap().forget();
            answers.send(vec![std::thread::current().id(); items.len()]);
        }
    }

    #[test]
    fn what_finds_nothing_under_way_is_done_where_it_was_submitted_and_what_waits_is_not() {
        let (begun, ends) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let work = Whereabouts { begun, ends };
        let others = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap();
        let queue = {
            let _entered = others.enter();
            BatchQueue::near(work.clone(), Limits::default(), 1).unwrap()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let second = async {
            work.begun.acquire().await.unwrap().forget();
            work.ends.add_permits(2);
            queue.submit(()).await
        };
        let both = async { tokio::join!(queue.submit(()), second) };
        let (first, second) = runtime.block_on(both);
        assert_eq!(first.unwrap(), std::thread::current().id());
        assert_ne!(second.unwrap(), std::thread::current().id());
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_answers_those_who_wait_and_the_queue_goes_on() {
        let fixture = fixture(10);
        let unlucky = fixture.submit(UNLUCKY).await;
        let waiting = fixture.submit(1).await;
        fixture.permits.add_permits(2);
        for submitted in [unlucky, waiting] {
            assert_eq!(
                submitted.await.unwrap().unwrap_err().kind(),
                ErrorKind::Timeout
            );
        }
        assert_eq!(fixture.queue.submit(2).await.unwrap(), 4);
    }
}
