//! Whether the shared cache answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Gives up on a cache that fails again and again and has answered nothing in between. Only a probe closes an open
/// breaker.
#[derive(Debug)]
pub(super) struct Breaker {
    /// Whether anything failed since the last success: all that a success has to look at.
    failing: AtomicBool,
    failures: Mutex<Failures>,
    give_up_after: Duration,
}

#[derive(Debug, Default)]
struct Failures {
    count: u32,
    since: Option<Instant>,
    open: bool,
}

impl Breaker {
    pub(super) fn new(give_up_after: Duration) -> Self {
        Self {
            failing: AtomicBool::new(false),
            failures: Mutex::default(),
            give_up_after,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_open(&self) -> bool {
        self.failing.load(Ordering::Relaxed) && self.lock().open
    }

    /// A call was answered.
    pub(super) fn succeeded(&self) {
        if self.failing.load(Ordering::Relaxed) {
            let mut failures = self.lock();
            if !failures.open {
                *failures = Failures::default();
                self.failing.store(false, Ordering::Relaxed);
            }
        }
    }

    /// A probe was answered.
    pub(super) fn close(&self) {
        let mut failures = self.lock();
        *failures = Failures::default();
        self.failing.store(false, Ordering::Relaxed);
    }

    /// The cache must not be used. Whether this opens the breaker.
    pub(super) fn trip(&self) -> bool {
        let mut failures = self.lock();
        self.failing.store(true, Ordering::Relaxed);
        !std::mem::replace(&mut failures.open, true)
    }

    /// A call that began at `began` was not answered. Whether this opens the breaker.
    pub(super) fn failed(&self, began: Instant) -> bool {
        let mut failures = self.lock();
        failures.count += 1;
        let since = *failures.since.get_or_insert(began);
        self.failing.store(true, Ordering::Relaxed);
        let opens = !failures.open && failures.count >= 2 && since.elapsed() >= self.give_up_after;
        failures.open |= opens;
        opens
    }
}
