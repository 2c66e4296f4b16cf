//! What this server did over the last minutes, for charts without a monitoring system.
//!
//! A task reads the metrics at an interval and keeps the differences; requests pay nothing for it. The task ends with the
//! server.

mod latency;
mod sample;
mod totals;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kverse_core::{Clock, KvStore, SystemClock, Timestamp};
use prometheus::Registry;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

pub(crate) use self::sample::{CacheMode, Sample};
use self::totals::Totals;

/// How long a sample is.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);
/// How many are kept: 15 minutes.
pub(crate) const SAMPLES: usize = 180;
/// Counting the keys may be work for the database: it is asked only if somebody has looked within this time,
const INTEREST: Duration = Duration::from_secs(60);
/// and waited for no longer than this.
const COUNT_TIMEOUT: Duration = Duration::from_secs(2);

/// The last samples.
#[derive(Debug, Default)]
pub(crate) struct History {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first.
    samples: VecDeque<Sample>,
    cache: CacheMode,
    /// When somebody last looked.
    looked_at: Option<Instant>,
}

impl History {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The samples after this time, oldest first, and what the cache did when the last one was taken.
    pub(crate) fn look(&self, since: Option<Timestamp>) -> (Vec<Sample>, CacheMode) {
        let mut state = self.lock();
        state.looked_at = Some(Instant::now());
        let new = |sample: &&Sample| since.is_none_or(|since| sample.at > since);
        let samples = state.samples.iter().filter(new).cloned().collect();
        (samples, state.cache)
    }

    fn is_looked_at(&self) -> bool {
        let looked_at = self.lock().looked_at;
        looked_at.is_some_and(|at| at.elapsed() < INTEREST)
    }

    fn push(&self, sample: Sample) {
        let samples = &mut self.lock().samples;
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(sample);
    }
}

/// Takes samples for ever.
pub(crate) async fn record(history: Arc<History>, metrics: Registry, store: Arc<dyn KvStore>) {
    let mut ticks = interval(INTERVAL);
    // Each sample is of one interval, however late the one before was.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut before = Totals::read(&metrics);
    history.lock().cache = before.cache;
    loop {
        ticks.tick().await;
        let now = Totals::read(&metrics);
        let mut sample = now.since(&before, SystemClock.now());
        if history.is_looked_at() {
            sample.items = count(&*store).await;
        }
        history.lock().cache = now.cache;
        history.push(sample);
        before = now;
    }
}

/// How many keys there are, if the store knows soon.
async fn count(store: &dyn KvStore) -> Option<u64> {
    let stats = timeout(COUNT_TIMEOUT, store.stats()).await.ok()?;
    Some(stats.ok()?.items)
}

#[cfg(test)]
mod tests;
