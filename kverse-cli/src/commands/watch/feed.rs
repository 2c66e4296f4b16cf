//! The changes of any store, one after the other, through interruptions.

use std::collections::VecDeque;
use std::time::Duration;

use kverse_core::{
    Change, ChangePosition, ChangesOptions, Entry, Error, ErrorKind, KvStore, KvStoreExt, Prefix,
};
use tokio::time::{Instant, sleep};

use crate::exit::{Exit, Failure};
use crate::output::complain;

/// How long a server may wait for a change before it answers that there is none.
const WAIT: Duration = Duration::from_secs(20);
/// How often a store is asked that cannot wait.
const POLL: Duration = Duration::from_millis(100);
/// The first pause after a failure; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The changes from a position on.
pub(super) struct Feed<'a> {
    store: &'a dyn KvStore,
    options: ChangesOptions,
    ready: VecDeque<Change>,
    more: bool,
    /// The pause after the next failure, once the store was reached: that it never was is an error.
    pause: Option<Duration>,
    is_broken: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn new(
        store: &'a dyn KvStore,
        prefix: Prefix,
        since: Option<ChangePosition>,
    ) -> Self {
        Self {
            store,
            options: ChangesOptions::new(prefix).with_since(since),
            ready: VecDeque::new(),
            more: true,
            pause: None,
            is_broken: false,
        }
    }

    /// The next change, for which it waits.
    pub(super) async fn next(&mut self) -> Result<Change, Failure> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Ok(change);
            }
            let wait = if self.more { Duration::ZERO } else { WAIT };
            let asked = Instant::now();
            let page = self
                .store
                .changes(self.options.clone().with_wait(wait))
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    self.failed(error).await?;
                    continue;
                }
            };
            self.recovered();
            self.options.since = Some(page.position);
            self.ready = page.changes.into();
            // A server that has waited need not be waited for.
            if self.ready.is_empty() && !page.more && !self.more && asked.elapsed() < POLL {
                sleep(POLL).await;
            }
            self.more = page.more;
        }
    }

    /// Whether what comes next is not here yet.
    pub(super) fn is_at_end_of_page(&self) -> bool {
        self.ready.is_empty()
    }

    /// What a put stored, if the key still has that version.
    pub(super) async fn entry(&mut self, change: &Change) -> Result<Option<Entry>, Failure> {
        loop {
            match self.store.get(&change.key).await {
                Ok(entry) => {
                    self.recovered();
                    return Ok(entry.filter(|entry| entry.version == change.version));
                }
                Err(error) => self.failed(error).await?,
            }
        }
    }

    async fn failed(&mut self, error: Error) -> Result<(), Failure> {
        if error.kind() == ErrorKind::Gone {
            let message =
                format!("{error}: `kverse-cli list` has them, `watch` without --since goes on");
            return Err(Failure::Failed(Exit::Error, message));
        }
        let Some(pause) = self.pause.filter(|_| error.is_retryable()) else {
            return Err(error.into());
        };
        if !self.is_broken {
            complain(&format!("{error}; trying again, and going on from there"));
        }
        self.is_broken = true;
        sleep(pause).await;
        self.pause = Some((pause * 2).min(LONGEST_PAUSE));
        Ok(())
    }

    fn recovered(&mut self) {
        if self.is_broken {
            complain("going on");
        }
        self.is_broken = false;
        self.pause = Some(FIRST_PAUSE);
    }
}
