//! What the hub has for one watcher.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::task::AtomicWaker;
use kverse_core::{ChangePosition, Error};

use super::event::Event;

/// Why a watcher gets no more.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// What it waits for is no longer in the feed.
    Gone(Error),
    /// It does not take what is there for it.
    SlowReader,
    /// The server stops.
    Closed,
}

/// Events that a watcher has not taken yet, in bounds.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    owner: AtomicWaker,
}

#[derive(Debug, Default)]
struct State {
    /// The position after which everything comes to this mailbox, once the hub reads.
    from: Option<ChangePosition>,
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    end: Option<End>,
}

impl Mailbox {
    /// A watcher is too slow that has more events than this waiting,
    pub(super) const MAX_EVENTS: usize = 8192;
    /// or more bytes of them.
    pub(super) const MAX_BYTES: usize = 4 << 20;

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, from: ChangePosition) {
        self.state().from = Some(from);
        self.owner.wake();
    }

    /// Adds an event; whether the mailbox still takes more.
    pub(super) fn push(&self, event: &Arc<Event>) -> bool {
        let mut state = self.state();
        state.bytes += event.text.len();
        state.events.push_back(Arc::clone(event));
        let fits = state.events.len() <= Self::MAX_EVENTS && state.bytes <= Self::MAX_BYTES;
        let is_first = state.events.len() == 1;
        drop(state);
        if !fits {
            self.end(End::SlowReader);
        } else if is_first {
            self.owner.wake();
        }
        fits
    }

    /// Ends it; what has not been taken is dropped: the watcher can resume where it is.
    pub(super) fn end(&self, end: End) {
        let mut state = self.state();
        state.events = VecDeque::new();
        state.end = Some(end);
        drop(state);
        self.owner.wake();
    }

    /// Whether nothing was put in that has not been taken.
    pub(super) fn is_taken(&self) -> bool {
        let state = self.state();
        state.events.is_empty() && state.end.is_none()
    }

    /// Waits for what `ready` finds, or for the end.
    async fn wait<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> Result<T, End> {
        poll_fn(|context| {
            // Before the look: what comes after it wakes.
            self.owner.register(context.waker());
            let mut state = self.state();
            if let Some(end) = &state.end {
                return Poll::Ready(Err(end.clone()));
            }
            ready(&mut state).map_or(Poll::Pending, |found| Poll::Ready(Ok(found)))
        })
        .await
    }

    /// The position after which everything comes here.
    pub(super) async fn opened(&self) -> Result<ChangePosition, End> {
        self.wait(|state| state.from).await
    }

    /// The events that have come since the last call, at least one.
    pub(super) async fn take(&self) -> Result<VecDeque<Arc<Event>>, End> {
        self.wait(|state| {
            state.bytes = 0;
            let events = std::mem::take(&mut state.events);
            (!events.is_empty()).then_some(events)
        })
        .await
    }
}
