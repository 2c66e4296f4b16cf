//! The changes of one watcher, in order and without a gap.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use kverse_core::{ChangePosition, ChangesOptions, Error, ErrorKind, KvStore, Prefix};
use tokio::time::{sleep, timeout};

use super::event::Event;
use super::hub::{Hub, Subscription};
use super::mailbox::End;
use crate::error::Failure;

/// How many changes a watcher reads at once while it catches up.
const PAGE: usize = 100;
/// The pause before a watcher asks the store again that failed, or that is not as far as the hub.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a watcher that does not resume waits for the present position.
const PATIENCE: Duration = Duration::from_secs(5);

/// Follows the feed from a position: reads the store until it has come as far as the hub, then takes what the hub has.
#[derive(Debug)]
pub(crate) struct Follower {
    hub: Arc<Hub>,
    store: Arc<dyn KvStore>,
    prefix: Prefix,
    /// All up to here has been given out.
    position: ChangePosition,
    ready: VecDeque<Arc<Event>>,
    /// Where it is when what is ready has been given out.
    page_end: Option<ChangePosition>,
    subscription: Option<Subscription>,
    /// Whether it has come as far as the hub.
    caught_up: bool,
}

impl Follower {
    /// What comes from now on.
    ///
    /// # Errors
    /// 503 if the present position cannot be found out within 5 s, or the server stops.
    pub(crate) async fn from_now(
        hub: &Arc<Hub>,
        store: &Arc<dyn KvStore>,
        prefix: Prefix,
    ) -> Result<Self, Failure> {
        let subscription = hub.subscribe(&prefix);
        let opened = timeout(PATIENCE, subscription.opened()).await;
        let position = opened.map_err(|error| {
            let message = "the feed of changes cannot be read now";
            Error::new(ErrorKind::Unavailable, message).with_source(error)
        })??;
        Ok(Self {
            subscription: Some(subscription),
            caught_up: true,
            ..Self::since(hub, store, prefix, position)
        })
    }

    /// What comes after this position.
    pub(crate) fn since(
        hub: &Arc<Hub>,
        store: &Arc<dyn KvStore>,
        prefix: Prefix,
        position: ChangePosition,
    ) -> Self {
        Self {
            hub: Arc::clone(hub),
            store: Arc::clone(store),
            prefix,
            position,
            ready: VecDeque::new(),
            page_end: None,
            subscription: None,
            caught_up: false,
        }
    }

    /// Where to resume when everything that was given out has been taken; further than the last of it if nothing of what
    /// came since was for this watcher.
    pub(crate) fn position(&mut self) -> ChangePosition {
        if self.ready.is_empty() && self.caught_up {
            let subscription = self.subscription.as_ref();
            let taken = subscription.and_then(Subscription::taken_up_to);
            self.position = taken.map_or(self.position, |taken| taken.max(self.position));
        }
        self.position
    }

    /// The next event, for which it waits. May be dropped and called again: nothing is lost.
    ///
    /// # Errors
    /// 410 if what comes next is no longer in the feed, 503 if the watcher was too slow or the server stops; what the store
    /// says, unless it helps to try again.
    pub(crate) async fn next(&mut self) -> Result<Arc<Event>, Failure> {
        loop {
            while let Some(event) = self.ready.pop_front() {
                // The hub may have had it too.
                if event.position > self.position {
                    self.position = event.position;
                    return Ok(event);
                }
            }
            if let Some(end) = self.page_end.take() {
                self.position = end;
            }
            match &self.subscription {
                Some(subscription) if self.caught_up => self.ready = subscription.take().await?,
                _ => self.catch_up().await?,
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), Failure> {
        if self.hub.is_closed() {
            return Err(End::Closed.into());
        }
        if let Some(subscription) = &self.subscription {
            match subscription.opened().await {
                Ok(position) if self.position >= position => {
                    self.caught_up = true;
                    return Ok(());
                }
                Ok(_) => {}
                // The store was, not the client: what the hub had is in the store.
                Err(End::SlowReader) => self.subscription = None,
                Err(end) => return Err(end.into()),
            }
        }
        let options = ChangesOptions::new(self.prefix.clone())
            .with_since(Some(self.position))
            .with_limit(PAGE);
        let page = match self.store.changes(options).await {
            Ok(page) => page,
            Err(error) if error.is_retryable() => {
                sleep(PAUSE).await;
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        if !page.more {
            if self.subscription.is_none() {
                self.subscription = Some(self.hub.subscribe(&self.prefix));
            } else if page.position == self.position {
                sleep(PAUSE).await;
            }
        }
        self.ready = page
            .changes
            .into_iter()
            .map(Event::new)
            .map(Arc::new)
            .collect();
        self.page_end = Some(page.position);
        Ok(())
    }
}

impl From<End> for Failure {
    fn from(end: End) -> Self {
        match end {
            End::Gone(error) => error.into(),
            End::SlowReader => Self::slow_reader(),
            End::Closed => {
                let message = "the server is stopping: connect again, and resume";
                Error::new(ErrorKind::Unavailable, message).into()
            }
        }
    }
}
