//! What the tasks of a cached store share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::cache::{Cache, FetchFailed, Fill, Lease, Lookup};
use super::fence::write_fence;
use super::flights::{Flight, Flights, Waiting};
use super::sampler::Sampled;
use super::writes::MarkedWrites;
use crate::answer::in_time;
use crate::batch_queue::BatchQueue;
use crate::calls::{Call, WriteResults};
use crate::{
    CacheStatus, Entry, Error, ErrorKind, Key, KvStore, Operation, OperationOutcome, ReadOutcome,
    Result, Write,
};

/// Runs to its end even if the caller goes away or has waited long enough.
async fn detached<T: Send + 'static>(
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
    writes: MarkedWrites,
    /// Of writes, if the cache is shared.
    batches: Option<BatchQueue<MarkedWrites>>,
    /// What a shared cache is being told in the background.
    telling: Arc<Semaphore>,
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
    /// So many fetches and writes may be answered before the cache knows of them; then they wait for that.
    const TELLING: usize = 64;

    pub(super) fn new(cache: Arc<dyn Cache>, backend: Arc<dyn KvStore>) -> Result<Self> {
        let writes = || MarkedWrites::new(Arc::clone(&cache), Arc::clone(&backend));
        let batches = if cache.is_shared() {
            let limits = backend.capabilities().limits;
            Some(BatchQueue::here(writes(), limits, 1)?)
        } else {
            None
        };
        let writes = writes();
        Ok(Self {
            cache,
            backend,
            sampled: Sampled::default(),
            flights: Flights::default(),
            writes,
            batches,
            telling: Arc::new(Semaphore::new(Self::TELLING)),
        })
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

    pub(super) async fn write(self: &Arc<Self>, writes: Vec<Write>) -> WriteResults {
        match &self.batches {
            Some(_) if writes.is_empty() => self.backend.write(writes).await,
            Some(batches) => {
                let fence = write_fence();
                batches.submit(Call { writes, fence }).await?
            }
            None => {
                let shared = Arc::clone(self);
                detached(async move {
                    let (results, untold) = shared.writes.write(writes).await;
                    shared.writes.tell(untold).await;
                    results
                })
                .await
            }
        }
    }

    pub(super) async fn transact(
        self: &Arc<Self>,
        operations: Vec<Operation>,
    ) -> Result<Vec<OperationOutcome>> {
        let shared = Arc::clone(self);
        detached(async move {
            let (results, untold) = shared.writes.transact(operations).await;
            let telling = Arc::clone(&shared);
            shared
                .afterwards(async move { telling.writes.tell(untold).await })
                .await;
            results
        })
        .await
    }
}
