//! Where the reader of the feed and the watchers meet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kverse_core::{ChangePage, ChangePosition, Error, ErrorKind, Prefix};
use prometheus::{IntCounter, IntGauge, PullingGauge, Registry};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::event::Event;
use super::mailbox::{End, Mailbox};
use super::subscribers::Subscribers;
use crate::error::Failure;
use crate::metrics::{InProgress, limit};

/// What the watchers of a server have in common.
#[derive(Debug)]
pub(crate) struct Hub {
    state: Arc<Mutex<State>>,
    /// The reader has a reason to look: something was written, or somebody came or went.
    news: Notify,
    slots: Arc<Semaphore>,
    max_watchers: usize,
    watchers: IntGauge,
    slow_readers: IntCounter,
    lost: IntCounter,
}

#[derive(Debug, Default)]
struct State {
    subscribers: Subscribers,
    /// How far the feed was read, while it is read: everything before it is in the mailboxes.
    position: Option<ChangePosition>,
    /// When that was, or since when somebody waits for the first time; `None` while nobody watches.
    read_at: Option<Instant>,
    is_closed: bool,
}

/// One of the watchers that the server takes on.
#[derive(Debug)]
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    _counted: InProgress,
}

impl Hub {
    pub(crate) fn new(registry: &Registry, max_watchers: usize) -> prometheus::Result<Self> {
        let watchers = IntGauge::new("kverse_watchers", "Clients that watch.")?;
        let slow_readers = IntCounter::new(
            "kverse_watch_slow_readers_total",
            "Watchers that did not take what was there for them.",
        )?;
        let lost = IntCounter::new(
            "kverse_watch_lost_total",
            "Times that all watches were ended because the feed could not be read on.",
        )?;
        let state = Arc::<Mutex<State>>::default();
        let read = Arc::clone(&state);
        let lag = PullingGauge::new(
            "kverse_watch_lag_seconds",
            "For how long the feed of changes was not read while somebody watches.",
            Box::new(move || lock(&read).lag().as_secs_f64()),
        )?;
        registry.register(Box::new(watchers.clone()))?;
        registry.register(Box::new(slow_readers.clone()))?;
        registry.register(Box::new(lost.clone()))?;
        registry.register(Box::new(lag))?;
        limit(
            registry,
            "kverse_watchers_limit",
            "Most clients that watch; more are refused.",
            max_watchers,
        )?;
        Ok(Self {
            state,
            news: Notify::new(),
            slots: Arc::new(Semaphore::new(max_watchers)),
            max_watchers,
            watchers,
            slow_readers,
            lost,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// A place for one more watcher.
    ///
    /// # Errors
    /// 503 if the server has as many as it may have.
    pub(crate) fn slot(&self) -> Result<Slot, Failure> {
        let permit = Arc::clone(&self.slots).try_acquire_owned();
        let permit = permit.map_err(|error| {
            let message = format!(
                "the server has {} watchers, its limit: try again later, or at another",
                self.max_watchers
            );
            Error::new(ErrorKind::Unavailable, message).with_source(error)
        })?;
        Ok(Slot {
            _permit: permit,
            _counted: InProgress::new(&self.watchers),
        })
    }

    /// Something may have been written: the reader looks at once.
    pub(crate) fn wake(&self) {
        if self.watchers.get() > 0 {
            self.news.notify_one();
        }
    }

    /// Ends all watches, and those that will come.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.end_all(&End::Closed);
        drop(state);
        self.news.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// From now on, everything that happens to keys with this prefix comes to the subscription.
    pub(super) fn subscribe(self: &Arc<Self>, prefix: &Prefix) -> Subscription {
        let mailbox = Arc::new(Mailbox::default());
        let mut state = self.state();
        if let Some(position) = state.position {
            mailbox.open(position);
        }
        if state.is_closed {
            mailbox.end(End::Closed);
        }
        state.read_at.get_or_insert_with(Instant::now);
        let id = state.subscribers.add(prefix, Arc::clone(&mailbox));
        drop(state);
        self.news.notify_one();
        Subscription {
            hub: Arc::clone(self),
            prefix: prefix.as_str().into(),
            id,
            mailbox,
        }
    }

    /// Waits until somebody watches, or the server stops.
    pub(super) async fn until_watched(&self) {
        loop {
            {
                let state = self.state();
                if state.is_closed || !state.subscribers.is_empty() {
                    return;
                }
            }
            self.news.notified().await;
        }
    }

    /// Waits until there is a reason to read again.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }

    /// The feed is read from this position on.
    pub(super) fn open(&self, position: ChangePosition) {
        let mut state = self.state();
        state.told(position);
        for mailbox in state.subscribers.all() {
            mailbox.open(position);
        }
    }

    /// Nobody reads the feed any more, if nobody watches; whether that is so.
    pub(super) fn rest(&self) -> bool {
        let mut state = self.state();
        let idle = state.subscribers.is_empty() || state.is_closed;
        if idle {
            state.position = None;
            state.read_at = None;
        }
        idle
    }

    /// Gives what was read to those who wait for it.
    pub(super) fn publish(&self, page: ChangePage) {
        let mut state = self.state();
        let mut slow = Vec::new();
        for change in page.changes {
            let mut watched = state.subscribers.of(&change.key).peekable();
            if watched.peek().is_none() {
                continue;
            }
            let key = change.key.clone();
            drop(watched);
            let event = Arc::new(Event::new(change));
            for (prefix, mailboxes) in state.subscribers.of(&key) {
                let full = mailboxes
                    .iter()
                    .filter(|(_, mailbox)| !mailbox.push(&event));
                slow.extend(full.map(|(id, _)| (Box::<str>::from(prefix), *id)));
            }
            for (prefix, id) in slow.drain(..) {
                self.slow_readers.inc();
                state.subscribers.remove(&prefix, id);
            }
        }
        // Only now: who sees an empty mailbox after this position has been told everything up to it.
        state.told(page.position);
    }

    /// The feed cannot be read on from where it was: nobody can be told what came next.
    pub(super) fn lose(&self, error: Error) {
        self.lost.inc();
        let mut state = self.state();
        state.position = None;
        state.end_all(&End::Gone(error));
    }
}

/// Poisoned only by a panic between operations that leave the state whole.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Everything before this position is in the mailboxes.
    fn told(&mut self, position: ChangePosition) {
        self.position = Some(position);
        self.read_at = Some(Instant::now());
    }

    /// How old what the watchers were told may be.
    fn lag(&self) -> Duration {
        let waits = self.read_at.filter(|_| !self.subscribers.is_empty());
        waits.map_or(Duration::ZERO, |at| at.elapsed())
    }

    fn end_all(&mut self, end: &End) {
        for mailbox in self.subscribers.all() {
            mailbox.end(end.clone());
        }
        self.subscribers.clear();
        self.read_at = None;
    }
}

/// A mailbox that is in the hub until this is dropped.
#[derive(Debug)]
pub(super) struct Subscription {
    hub: Arc<Hub>,
    prefix: Box<str>,
    id: u64,
    mailbox: Arc<Mailbox>,
}

impl Subscription {
    /// The position after which everything comes to this subscription, once the feed is read.
    pub(super) async fn opened(&self) -> Result<ChangePosition, End> {
        self.mailbox.opened().await
    }

    /// The events that have come since the last call, at least one.
    pub(super) async fn take(&self) -> Result<VecDeque<Arc<Event>>, End> {
        self.mailbox.take().await
    }

    /// The position up to which everything that came has been taken; `None` if there is more to take.
    pub(super) fn taken_up_to(&self) -> Option<ChangePosition> {
        // In this order: see `Hub::publish`.
        let position = self.hub.state().position;
        position.filter(|_| self.mailbox.is_taken())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.state().subscribers.remove(&self.prefix, self.id);
    }
}
