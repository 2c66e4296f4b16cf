//! What is wrong with the shared cache, for people.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::epoch::CacheError;

/// The last trouble with the cache.
#[derive(Debug, Default)]
pub(super) struct Diagnosis(Mutex<Findings>);

#[derive(Debug, Default)]
struct Findings {
    unfit: Option<String>,
    last_error: Option<(Instant, String)>,
    clock_offset: Option<Duration>,
}

impl Diagnosis {
    fn lock(&self) -> MutexGuard<'_, Findings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call of the cache failed.
    pub(super) fn failed(&self, error: &CacheError) {
        self.lock().last_error = Some((Instant::now(), error.to_string()));
    }

    /// The cache was inspected: why it cannot be used, or `None` if it can. Whether that is news.
    pub(super) fn inspected(&self, unfit: Option<String>) -> bool {
        let mut findings = self.lock();
        let is_news = findings.unfit != unfit;
        findings.unfit = unfit;
        is_news
    }

    /// The clock of the cache was found to be this far off that of the database.
    pub(super) fn clock_read(&self, offset: Duration) {
        self.lock().clock_offset = Some(offset);
    }

    /// How far the clock of the cache was off when it was last read.
    pub(super) fn clock_offset(&self) -> Option<Duration> {
        self.lock().clock_offset
    }

    /// Why the cache cannot be used although it answers.
    pub(super) fn unfit(&self) -> Option<String> {
        self.lock().unfit.clone()
    }

    /// The last failure, and how long ago it was.
    pub(super) fn last_error(&self) -> Option<(Duration, String)> {
        let findings = self.lock();
        let (at, error) = findings.last_error.as_ref()?;
        Some((at.elapsed(), error.clone()))
    }
}
