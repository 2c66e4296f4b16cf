//! The cache of one of several replicas.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use prometheus::Registry;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::breaker::Breaker;
use super::cache::{Cache, Fill, Finish, Lookup, Mark, Window};
use super::controller::Controller;
use super::diagnosis::Diagnosis;
use super::epoch::{CacheError, EpochCache};
use super::in_flight::InFlight;
use super::mode::{Mode, ModeRegister};
use super::status::{Counters, ReplicaStatus};
use super::timing::Timing;
use super::view::{Access, Rules, View, WriteAccess};
use crate::{ComponentHealth, Error, ErrorKind, Key, Result};

/// The cache of one of several replicas: an [`EpochCache`] that all of them see, used as the [`ModeRegister`] in their
/// database allows.
///
/// A task of the runtime reads the register; what it says holds for one lease. A hit is served only if the lease is valid
/// after the cache has answered. A write waits until no other replica can serve hits that do not know of it, for at most
/// [`Timing::mark_wait`], and is `Unavailable` beyond that. A replica that cannot reach the cache switches it off for all;
/// it comes back by itself once all live replicas reach it, or with a new epoch after it lost its contents.
///
/// Counts on a monotonic clock that does not stand still while the machine runs. The task ends when this is dropped.
#[derive(Debug)]
pub struct ReplicatedCache {
    shared: Arc<Shared>,
    controller: AbortHandle,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Tells this replica from all others.
    pub(super) replica: u128,
    pub(super) cache: Arc<dyn EpochCache>,
    pub(super) register: Arc<dyn ModeRegister>,
    pub(super) timing: Timing,
    pub(super) rules: Rules,
    pub(super) view: View,
    pub(super) breaker: Breaker,
    pub(super) in_flight: InFlight,
    /// The epoch that the cache was last seen not to know.
    pub(super) lost_epoch: AtomicU64,
    /// Something happened that the controller should look at before its next turn.
    pub(super) wake: Notify,
    pub(super) counters: Counters,
    pub(super) diagnosis: Diagnosis,
}

impl ReplicatedCache {
    /// How long a write waits before it tries again to mark its keys.
    const RETRY: Duration = Duration::from_millis(50);
    /// So often a replica that leaves looks whether a write is still under way.
    const LEAVING: Duration = Duration::from_millis(5);

    /// The cache of this replica. With a registry, it has the metrics of [`ReplicaStatus`].
    ///
    /// # Errors
    /// `InvalidInput` if the protocol would not hold with this timing; `Internal` outside a tokio runtime, and if the
    /// registry has metrics of these names already.
    pub fn start(
        cache: Arc<dyn EpochCache>,
        register: Arc<dyn ModeRegister>,
        timing: Timing,
        metrics: Option<&Registry>,
    ) -> Result<Self> {
        Self::start_with(cache, register, timing, Rules::default(), metrics)
    }

    /// The same without some of the rules, to show what they are for.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn start_broken(
        cache: Arc<dyn EpochCache>,
        register: Arc<dyn ModeRegister>,
        timing: Timing,
        rules: Rules,
    ) -> Result<Self> {
        Self::start_with(cache, register, timing, rules, None)
    }

    fn start_with(
        cache: Arc<dyn EpochCache>,
        register: Arc<dyn ModeRegister>,
        timing: Timing,
        rules: Rules,
        metrics: Option<&Registry>,
    ) -> Result<Self> {
        timing.validate()?;
        let runtime = tokio::runtime::Handle::try_current().map_err(|error| {
            Error::new(ErrorKind::Internal, "a shared cache needs a tokio runtime")
                .with_source(error)
        })?;
        let shared = Arc::new(Shared {
            replica: rand::random(),
            cache,
            register,
            timing,
            rules,
            view: View::new(timing.lease, rules),
            breaker: Breaker::new(timing.give_up_after),
            in_flight: InFlight::new(),
            lost_epoch: AtomicU64::new(0),
            wake: Notify::new(),
            counters: Counters::new()?,
            diagnosis: Diagnosis::default(),
        });
        if let Some(registry) = metrics {
            super::status::register(&shared, registry)?;
        }
        let controller = Controller::new(Arc::clone(&shared));
        let controller = runtime.spawn(controller.run()).abort_handle();
        Ok(Self { shared, controller })
    }

    /// What this replica knows of the cache now.
    pub fn status(&self) -> ReplicaStatus {
        self.shared.status()
    }

    /// Waits until the mode is known, at most so long, for a start that is not to answer `Unavailable` at first.
    pub async fn ready(&self, at_most: Duration) -> bool {
        let mut changes = self.shared.view.changes();
        timeout(at_most, changes.wait_for(Option::is_some))
            .await
            .is_ok_and(|known| known.is_ok())
    }
}

impl Drop for ReplicatedCache {
    fn drop(&mut self) {
        self.controller.abort();
    }
}

impl Shared {
    fn any_writes(&self) -> bool {
        self.in_flight
            .any_older(u64::MAX, self.timing.marker_lifetime)
    }

    async fn heartbeat_for_good(&self) -> Result<()> {
        // The largest number that a database column holds.
        let last = i64::MAX.unsigned_abs();
        self.register
            .heartbeat(self.replica, last, self.timing.forgotten_after())
            .await
            .map(|_| ())
    }

    /// Takes note of how a call of an epoch ended.
    pub(super) fn note<T>(&self, epoch: u64, began: Instant, result: &Result<T, CacheError>) {
        match result {
            Ok(_) => self.breaker.succeeded(),
            Err(CacheError::NoEpoch | CacheError::Restarted) => {
                if self.lost_epoch.fetch_max(epoch, Ordering::SeqCst) < epoch {
                    self.wake.notify_one();
                }
            }
            Err(error) => {
                self.counters.cache_errors.inc();
                self.diagnosis.failed(error);
                let opens = match error {
                    CacheError::Unfit(_) => self.breaker.trip(),
                    _ => self.breaker.failed(began),
                };
                if opens {
                    self.wake.notify_one();
                }
            }
        }
    }

    /// Marks once; `None` if it has to be tried again.
    async fn try_mark(&self, keys: &[Key], access: Access) -> Option<Mark> {
        let since = Instant::now();
        // Of this try alone: another one that is delivered late must not mark in its name.
        let attempt = self.in_flight.next_attempt();
        // Entered before the permission is looked at: the controller must not miss a write that begins while the
        // mode changes.
        self.in_flight.begin(attempt, access, since);
        let permitted = self.view.writes() == WriteAccess::Now(access);
        let marked = permitted
            && match access.mode {
                Mode::Off => true,
                Mode::On | Mode::Warming => {
                    let lifetime = self.timing.marker_lifetime;
                    let marked = self.cache.mark(access.epoch, keys, attempt, lifetime).await;
                    self.note(access.epoch, since, &marked);
                    marked.is_ok()
                }
            };
        if !marked {
            self.in_flight.end(attempt);
            return None;
        }
        let start_by = since + self.timing.start_within;
        let window = Window {
            start_by,
            fence: start_by + self.timing.fence,
            renew_every: self.timing.marker_lifetime / 3,
        };
        Some(Mark {
            attempt,
            window: Some(window),
        })
    }

    async fn finish(&self, access: Access, attempt: u64, outcomes: Vec<(Key, Finish)>) {
        let outcomes = match access.mode {
            Mode::Off => return,
            Mode::Warming if self.rules.nothing_cached_while_warming => {
                outcomes.into_iter().map(uncached).collect()
            }
            Mode::Warming | Mode::On => outcomes,
        };
        if self.breaker.is_open() {
            self.counters.lost_finishes.inc();
            return;
        }
        let began = Instant::now();
        let finished = self.cache.finish(access.epoch, attempt, outcomes).await;
        self.note(access.epoch, began, &finished);
        if finished.is_err() {
            self.counters.lost_finishes.inc();
        }
    }

    fn refused(&self, why: &'static str) -> Error {
        self.counters.writes_refused.inc();
        Error::new(ErrorKind::Unavailable, why)
    }
}

#[async_trait]
impl Cache for ReplicatedCache {
    async fn lookup(&self, keys: &[Key]) -> Vec<Lookup> {
        let shared = &*self.shared;
        let off = || vec![Lookup::Off; keys.len()];
        let began = Instant::now();
        let Some(access) = shared.view.hits(began) else {
            return off();
        };
        if shared.breaker.is_open() {
            return off();
        }
        let found = shared.cache.lookup(access.epoch, keys).await;
        shared.note(access.epoch, began, &found);
        match found {
            // Asked after the cache has answered: a reader that was paused must not answer from an old world.
            Ok(found) if found.len() == keys.len() && shared.view.still(access) => found,
            Ok(_) | Err(_) => off(),
        }
    }

    async fn fill(&self, fills: Vec<Fill>) -> Vec<bool> {
        let shared = &*self.shared;
        let count = fills.len();
        let began = Instant::now();
        let Some(access) = shared.view.hits(began) else {
            return vec![false; count];
        };
        let filled = shared.cache.fill(access.epoch, fills).await;
        shared.note(access.epoch, began, &filled);
        match filled {
            Ok(accepted) if accepted.len() == count && shared.view.still(access) => accepted,
            Ok(_) | Err(_) => vec![false; count],
        }
    }

    async fn mark(&self, keys: &[Key]) -> Result<Mark> {
        const NO_LEASE: &str = "writes are not possible now: the mode of the cache cannot be read";
        const HELD: &str = "writes are not possible now: the mode of the cache has just changed";
        const NO_CACHE: &str = "writes are not possible now: the cache cannot be reached";
        let shared = &*self.shared;
        let deadline = Instant::now() + shared.timing.mark_wait;
        let mut changes = shared.view.changes();
        loop {
            // What is learned from here on is a change.
            changes.mark_unchanged();
            let why = match shared.view.writes() {
                WriteAccess::Now(access) => {
                    if let Some(mark) = shared.try_mark(keys, access).await {
                        return Ok(mark);
                    }
                    let _ = timeout(Self::RETRY, changes.changed()).await;
                    NO_CACHE
                }
                WriteAccess::Hold(until) if until > deadline => return Err(shared.refused(HELD)),
                WriteAccess::Hold(until) => {
                    let _ = timeout_at(until, changes.changed()).await;
                    HELD
                }
                WriteAccess::LeaseLost => {
                    let _ = timeout_at(deadline, changes.changed()).await;
                    NO_LEASE
                }
            };
            if Instant::now() >= deadline {
                return Err(shared.refused(why));
            }
        }
    }

    async fn renew(&self, mark: &Mark, keys: &[Key]) {
        let shared = &*self.shared;
        let Some(Access { epoch, mode, .. }) = shared.in_flight.renew(mark.attempt) else {
            return;
        };
        if mode == Mode::Off || shared.breaker.is_open() {
            return;
        }
        let began = Instant::now();
        let lifetime = shared.timing.marker_lifetime;
        let renewed = shared.cache.renew(epoch, keys, mark.attempt, lifetime);
        shared.note(epoch, began, &renewed.await);
    }

    async fn finish(&self, mark: Mark, outcomes: Vec<(Key, Finish)>) {
        let shared = &*self.shared;
        // Nobody has missed it for as long as a marker lives: it is over, and its marker has lapsed.
        let Some(access) = shared.in_flight.access(mark.attempt) else {
            return;
        };
        let is_over = !outcomes
            .iter()
            .any(|(_, outcome)| *outcome == Finish::Unknown);
        shared.finish(access, mark.attempt, outcomes).await;
        // Else it counts as under way until it must be over.
        if is_over {
            shared.in_flight.end(mark.attempt);
        }
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn check(&self) -> Option<ComponentHealth> {
        Some(self.shared.check().await)
    }

    /// No more hits and writes, and, once no write is under way, a last word to the register.
    async fn leave(&self) {
        self.controller.abort();
        let shared = &*self.shared;
        let deadline = Instant::now() + shared.timing.lease;
        // What nobody waits for any more: the cache is still being told how the last writes ended.
        while shared.any_writes() && Instant::now() < deadline {
            sleep(Self::LEAVING).await;
        }
        shared.view.forget();
        if shared.any_writes() {
            return;
        }
        if let Ok(Err(error)) = timeout(shared.timing.lease, shared.heartbeat_for_good()).await {
            tracing::debug!(%error, "the last heartbeat failed");
        }
    }
}

/// While the cache warms up, unmarked writes of an older view may still be under way: the newest marked write need not be
/// the newest.
fn uncached((key, outcome): (Key, Finish)) -> (Key, Finish) {
    match outcome {
        Finish::Done(version, _) => (key, Finish::Uncached(version)),
        Finish::Uncached(_) | Finish::NotDone | Finish::Unknown => (key, outcome),
    }
}

impl fmt::Display for ReplicatedCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replicated({})", self.shared.cache)
    }
}
