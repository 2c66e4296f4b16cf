//! When to ask a server that fails.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A circuit breaker: after [`Self::FAILURES`] failures in a row it opens, and nobody asks for a while but one probe at a
/// time, with a longer pause after each that fails.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
    is_open: AtomicBool,
    pause: Mutex<Pause>,
}

#[derive(Debug, Default)]
struct Pause {
    failed_probes: u32,
    last_failure: Option<Instant>,
    /// When the next probe is due; `None` while one is under way.
    probe_at: Option<Instant>,
}

/// Whether the server may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Yes.
    Ask,
    /// No, but the caller must have it probed, and report how that went.
    Probe,
    /// No.
    FailFast,
}

impl Breaker {
    const FAILURES: u32 = 3;
    const FIRST_PAUSE: Duration = Duration::from_millis(100);
    const LONGEST_PAUSE: Duration = Duration::from_secs(2);

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    pub(super) fn permission(&self) -> Permission {
        if !self.is_open() {
            return Permission::Ask;
        }
        let mut pause = self.pause();
        if pause.probe_at.is_some_and(|at| at <= Instant::now()) {
            pause.probe_at = None;
            return Permission::Probe;
        }
        Permission::FailFast
    }

    /// The server answered somebody. Does not close an open breaker: it may be the late answer of an old connection.
    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// The server failed somebody.
    pub(super) fn failed(&self) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let mut pause = self.pause();
        pause.last_failure = Some(Instant::now());
        if failures >= Self::FAILURES && !self.is_open.load(Ordering::Acquire) {
            pause.begin(0);
            self.is_open.store(true, Ordering::Release);
        }
    }

    /// The server answered, and is not the one that was wanted: whoever waits for it need not ask too.
    pub(super) fn replaced(&self) {
        self.pause().last_failure = Some(Instant::now());
    }

    /// How a probe went.
    pub(super) fn probed(&self, answered: bool) {
        let mut pause = self.pause();
        if answered {
            self.failures.store(0, Ordering::Relaxed);
            self.is_open.store(false, Ordering::Release);
        } else if self.is_open.load(Ordering::Acquire) {
            let failed_probes = pause.failed_probes.saturating_add(1);
            pause.begin(failed_probes);
        }
    }

    /// Whether the server failed somebody since then.
    pub(super) fn failed_since(&self, time: Instant) -> bool {
        self.pause().last_failure.is_some_and(|last| last >= time)
    }

    fn pause(&self) -> MutexGuard<'_, Pause> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pause {
    fn begin(&mut self, failed_probes: u32) {
        let doubled = Breaker::FIRST_PAUSE * 2u32.pow(failed_probes.min(8));
        // Replicas that lost the server together do not come back together.
        let pause = doubled
            .min(Breaker::LONGEST_PAUSE)
            .mul_f64(rand::random_range(0.5..1.0));
        self.failed_probes = failed_probes;
        self.probe_at = Some(Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(breaker: &Breaker, permission: Permission) -> Duration {
        let start = Instant::now();
        while breaker.permission() != permission {
            assert!(
                start.elapsed() < Duration::from_secs(10),
                "never {permission:?}"
            );
            std::thread::yield_now();
        }
        start.elapsed()
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_a_probe_closes_it() {
        let breaker = Breaker::default();
        for _ in 0..3 {
            breaker.failed();
            breaker.failed();
            breaker.succeeded();
        }
        assert_eq!(breaker.permission(), Permission::Ask);
        for _ in 0..3 {
            breaker.failed();
        }
        assert_eq!(breaker.permission(), Permission::FailFast);
        until(&breaker, Permission::Probe);
        assert_eq!(breaker.permission(), Permission::FailFast);
        breaker.probed(false);
        let second = until(&breaker, Permission::Probe);
        assert!(second >= Breaker::FIRST_PAUSE, "{second:?}");
        breaker.probed(true);
        assert_eq!(breaker.permission(), Permission::Ask);
    }
}
