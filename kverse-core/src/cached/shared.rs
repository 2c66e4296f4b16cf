//! What the tasks of a cached store share.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{RwLock, Semaphore};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::cache::{Cache, FetchFailed, Fill, Finish, Lease, Lookup, Mark};
use super::fence::with_write_fence;
use super::flights::{Flight, Flights, Waiting};
use super::marked::Marked;
use super::sampler::Sampled;
use crate::answer::in_time;
use crate::{
    CacheStatus, Entry, Error, ErrorKind, Key, KvStore, Operation, OperationOutcome, ReadOutcome,
    Result, Write, WriteOutcome,
};

/// Runs to its end even if the caller goes away or has waited long enough.
pub(super) async fn detached<T: Send + 'static>(
    task: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let task = tokio::spawn(task);
    in_time(async {
        task.await.unwrap_or_else(|error| {
            let message = "the operation was interrupted: a write may or may not be stored";
            Err(Error::new(ErrorKind::Timeout, message).with_source(error))
        })
    })
    .await
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) cache: Arc<dyn Cache>,
    pub(super) backend: Arc<dyn KvStore>,
    pub(super) sampled: Sampled,
    flights: Flights,
    /// What the cache is being told in the background.
    telling: Arc<Semaphore>,
    /// Held by those who mark keys.
    marking: RwLock<()>,
}

/// A key that a read wants, until it is found.
pub(super) struct Wanted {
    key: Key,
    lookup: Lookup,
    found: Option<(Option<Entry>, CacheStatus)>,
}

impl Wanted {
    pub(super) fn new((key, lookup): (Key, Lookup)) -> Self {
        let found = match &lookup {
            Lookup::Hit(entry) => Some((entry.clone(), CacheStatus::Hit)),
            _ => None,
        };
        Self { key, lookup, found }
    }

    /// Whether another reader is fetching it.
    fn is_busy(&self) -> bool {
        self.found.is_none() && self.lookup == Lookup::Busy
    }
}

impl Shared {
    /// A reader who finds that another process is fetching its key looks again after these pauses, then reads the backend
    /// itself: together they take as long as a fetch usually does.
    const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(5)];
    /// So often a write is marked again whose mark was about to lapse before it reached the backend.
    const MARKS: usize = 3;
    /// So many fetches and writes may be answered before the cache knows of them; then they wait for that.
    const TELLING: usize = 64;
    /// What the cache is to be told of a write waits this long at most for the marks of others.
    const MARKS_FIRST: Duration = Duration::from_millis(5);

    pub(super) fn new(cache: Arc<dyn Cache>, backend: Arc<dyn KvStore>) -> Self {
        Self {
            cache,
            backend,
            sampled: Sampled::default(),
            flights: Flights::default(),
            telling: Arc::new(Semaphore::new(Self::TELLING)),
            marking: RwLock::default(),
        }
    }

    /// Finds what the cache could not answer.
    pub(super) async fn resolve(
        self: &Arc<Self>,
        mut wanted: Vec<Wanted>,
    ) -> Result<Vec<(Option<Entry>, CacheStatus)>> {
        // First what this reader is to fetch: others wait for it.
        self.fetch_wanted(&mut wanted, |wanted| !wanted.is_busy())
            .await?;
        for pause in Self::PAUSES {
            self.share(&mut wanted).await?;
            if !wanted.iter().any(Wanted::is_busy) {
                break;
            }
            sleep(pause).await;
            self.look_again(&mut wanted).await;
            self.fetch_wanted(&mut wanted, |wanted| !wanted.is_busy())
                .await?;
        }
        self.share(&mut wanted).await?;
        self.fetch_wanted(&mut wanted, |_| true).await?;
        let lost = || Error::new(ErrorKind::Internal, "the store lost outcomes of a read");
        wanted
            .into_iter()
            .map(|wanted| wanted.found.ok_or_else(lost))
            .collect()
    }

    /// Waits for the keys that other readers of this process are fetching.
    async fn share(&self, wanted: &mut [Wanted]) -> Result<()> {
        let joined = wanted
            .iter_mut()
            .filter(|wanted| wanted.is_busy())
            .filter_map(|wanted| Some((self.flights.join(&wanted.key)?, wanted)));
        // All are joined before any is waited for.
        let joined: Vec<_> = joined.collect();
        for (flight, wanted) in joined {
            if let Ok(Some(found)) = flight.await {
                wanted.found = Some((found?, CacheStatus::Miss));
            }
        }
        Ok(())
    }

    async fn look_again(&self, wanted: &mut [Wanted]) {
        let busy = wanted.iter_mut().filter(|wanted| wanted.is_busy());
        let busy: Vec<&mut Wanted> = busy.collect();
        let keys: Vec<Key> = busy.iter().map(|wanted| wanted.key.clone()).collect();
        let found = self.cache.lookup(&keys).await;
        for ((wanted, key), lookup) in busy.into_iter().zip(keys).zip(found) {
            *wanted = Wanted::new((key, lookup));
        }
    }

    /// Fetches those that are not found yet and that `which` selects.
    async fn fetch_wanted(
        self: &Arc<Self>,
        wanted: &mut [Wanted],
        which: impl Fn(&Wanted) -> bool,
    ) -> Result<()> {
        let missing = wanted
            .iter_mut()
            .filter(|wanted| wanted.found.is_none() && which(wanted));
        let missing: Vec<&mut Wanted> = missing.collect();
        if missing.is_empty() {
            return Ok(());
        }
        let keys = missing.iter().map(|wanted| match wanted.lookup {
            Lookup::Miss(lease) => {
                let flight = self.flights.open(wanted.key.clone());
                (wanted.key.clone(), Some((lease, flight)))
            }
            _ => (wanted.key.clone(), None),
        });
        let keys = keys.collect();
        let shared = Arc::clone(self);
        let fetched = detached(async move { shared.fetch(keys).await }).await?;
        for (wanted, outcome) in missing.into_iter().zip(fetched) {
            let status = match wanted.lookup {
                Lookup::Hit(_) | Lookup::Miss(_) => CacheStatus::Miss,
                Lookup::Busy | Lookup::Bypass => CacheStatus::Bypass,
                Lookup::Off => CacheStatus::Off,
            };
            wanted.found = Some((outcome.entry, status));
        }
        Ok(())
    }

    /// Reads keys from the backend, fills in those with a lease, and shares with those who wait for them.
    async fn fetch(
        self: &Arc<Self>,
        keys: Vec<(Key, Option<(Lease, Flight)>)>,
    ) -> Result<Vec<ReadOutcome>> {
        let plain: Vec<Key> = keys.iter().map(|(key, _)| key.clone()).collect();
        let found = self.backend.read(&plain).await;
        let (mut fetched, mut waiting) = (Vec::new(), Vec::new());
        for (index, (key, leased)) in keys.into_iter().enumerate() {
            let Some((lease, flight)) = leased else {
                continue;
            };
            // Before the fill: what is accepted is what the key held after all of them had begun to read.
            waiting.push(flight.close());
            let found = match &found {
                Ok(found) => match found.get(index) {
                    Some(outcome) => Ok(outcome.entry.clone()),
                    None => Err(Error::new(ErrorKind::Internal, "the store lost an outcome")),
                },
                Err(error) => Err(error.clone()),
            };
            fetched.push((key, lease, found));
        }
        if !fetched.is_empty() {
            let shared = Arc::clone(self);
            self.afterwards(async move { shared.fill(fetched, waiting).await })
                .await;
        }
        found
    }

    /// Fills in what was fetched, and shares what was accepted with those who wait for it.
    async fn fill(
        &self,
        fetched: Vec<(Key, Lease, Result<Option<Entry>>)>,
        waiting: Vec<Vec<Waiting>>,
    ) {
        let fills = fetched.iter().map(|(key, lease, found)| Fill {
            key: key.clone(),
            lease: *lease,
            found: found.clone().map_err(|_unread| FetchFailed),
        });
        let mut accepted = self.cache.fill(fills.collect()).await.into_iter();
        for ((_, _, found), waiting) in fetched.into_iter().zip(waiting) {
            let accepted = accepted.next().unwrap_or(false);
            // An error is as good for all who have waited for it.
            let shared = found.is_err() || accepted;
            for waiting in waiting {
                // Whoever has gone away does not want it any more.
                let _ = waiting.send(shared.then(|| found.clone()));
            }
        }
    }

    /// Does what the cache is still to be told, without anyone waiting for it, unless the cache is in this process: then it
    /// takes no time.
    async fn afterwards(&self, work: impl Future<Output = ()> + Send + 'static) {
        if !self.cache.is_shared() {
            return work.await;
        }
        let turn = Arc::clone(&self.telling).acquire_owned().await;
        tokio::spawn(async move {
            work.await;
            drop(turn);
        });
    }

    pub(super) async fn write(
        self: &Arc<Self>,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<WriteOutcome>>> {
        let mut marked = Marked::default();
        for write in &writes {
            marked.add(write);
        }
        if marked.keys.is_empty() {
            return self.backend.write(writes).await;
        }
        let mark = self.mark(&marked.keys).await?;
        let write = self.backend.write(writes);
        let results = self.marked(&mark, &marked.keys, write).await;
        let outcomes = results
            .as_ref()
            .ok()
            .map(|results| results.iter().map(Result::as_ref));
        self.finish(mark, marked.outcomes(outcomes)).await;
        results
    }

    pub(super) async fn transact(
        self: &Arc<Self>,
        operations: Vec<Operation>,
    ) -> Result<Vec<OperationOutcome>> {
        let mut marked = Marked::default();
        for operation in &operations {
            if let Operation::Write(write) = operation {
                marked.add(write);
            }
        }
        if marked.keys.is_empty() {
            return self.backend.transact(operations).await;
        }
        let mark = self.mark(&marked.keys).await?;
        let transaction = self.backend.transact(operations);
        let results = self.marked(&mark, &marked.keys, transaction).await;
        let outcomes = match &results {
            Ok(results) => Some(results.iter().filter_map(|result| match result {
                OperationOutcome::Write(outcome) => Some(Ok(outcome)),
                OperationOutcome::Get(_) => None,
            })),
            Err(_) => None,
        };
        self.finish(mark, marked.outcomes(outcomes)).await;
        results
    }

    /// Does a write of keys within its mark, and keeps the mark standing for as long as it takes.
    async fn marked<T>(&self, mark: &Mark, keys: &[Key], write: impl Future<Output = T>) -> T {
        let Some(window) = mark.window else {
            return write.await;
        };
        let mut write = pin!(with_write_fence(window.fence, write));
        loop {
            match timeout(window.renew_every, &mut write).await {
                Ok(result) => return result,
                Err(_elapsed) => self.cache.renew(mark, keys).await,
            }
        }
    }

    /// Tells the cache how a marked write ended. Readers who meet the mark until then go to the backend.
    async fn finish(self: &Arc<Self>, mark: Mark, outcomes: Vec<(Key, Finish)>) {
        let shared = Arc::clone(self);
        self.afterwards(async move {
            if mark.window.is_some() {
                // The batch that comes next waits for its marks, while nobody waits for this.
                yield_now().await;
                let _ = timeout(Self::MARKS_FIRST, shared.marking.write()).await;
            }
            shared.cache.finish(mark, outcomes).await;
        })
        .await;
    }

    /// Marks keys, with enough time left to write them.
    async fn mark(self: &Arc<Self>, keys: &[Key]) -> Result<Mark> {
        for _ in 0..Self::MARKS {
            let marking = self.marking.read().await;
            let mark = self.cache.mark(keys).await?;
            drop(marking);
            if mark
                .window
                .is_none_or(|window| Instant::now() < window.start_by)
            {
                return Ok(mark);
            }
            let not_done = keys.iter().map(|key| (key.clone(), Finish::NotDone));
            self.finish(mark, not_done.collect()).await;
        }
        let message = "the cache is too slow to write through it";
        Err(Error::new(ErrorKind::Unavailable, message))
    }
}
