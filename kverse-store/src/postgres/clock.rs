//! The database's clock, as far as this process knows it.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Converts deadlines of this process to the clock of the database, which decides whether a write is too late.
#[derive(Debug, Default)]
pub(super) struct DatabaseClock {
    /// The last time read from the database, in microseconds, and when it was there at the latest.
    read: Mutex<Option<(i64, Instant)>>,
}

impl DatabaseClock {
    /// The database has just answered that its time was `micros`.
    pub(super) fn observe(&self, micros: i64) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        *read = Some((micros, Instant::now()));
    }

    /// The database's time at `deadline`, in microseconds, or somewhat earlier: the answer took some time to come.
    pub(super) fn at(&self, deadline: Instant) -> i64 {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((micros, observed)) = *read else {
            return 0;
        };
        let micros_of =
            |duration: std::time::Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        match deadline.checked_duration_since(observed) {
            Some(later) => micros.saturating_add(micros_of(later)),
            None => micros.saturating_sub(micros_of(observed.duration_since(deadline))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_deadline_is_never_later_than_on_this_clock() {
        let clock = DatabaseClock::default();
        assert_eq!(clock.at(Instant::now()), 0, "nothing is known: too late");
        let before = Instant::now();
        clock.observe(1_000_000_000);
        assert!(clock.at(before + Duration::from_secs(1)) <= 1_001_000_000);
        assert!(clock.at(before - Duration::from_secs(1)) <= 999_000_000);
        assert!(clock.at(Instant::now() + Duration::from_secs(1)) >= 1_001_000_000);
    }
}
