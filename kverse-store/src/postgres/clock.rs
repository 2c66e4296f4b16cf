//! The database's clock, as far as this process knows it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use kverse_core::{Clock, Timestamp};

/// Converts times of this process to the clock of the database, which decides whether a write is too late, and whether an
/// entry has expired. The time of day of this process does not matter.
#[derive(Debug, Default)]
pub(super) struct DatabaseClock {
    /// The last time read from the database, in microseconds, and when it was there at the latest.
    read: Mutex<Option<(i64, Instant)>>,
}

impl DatabaseClock {
    /// An answer that took no longer tells the time well enough to replace what is known: the clock may have gone back.
    const QUICK: Duration = Duration::from_millis(100);

    /// The answer to what was asked at `asked` has just come: the database's time was `micros`.
    pub(super) fn observe(&self, micros: i64, asked: Instant) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // An answer that came late makes deadlines earlier than they need be, never later.
        let is_better = read.is_none_or(|read| at(read, now) < micros);
        if is_better || now.duration_since(asked) < Self::QUICK {
            *read = Some((micros, now));
        }
    }

    /// The database's time at `deadline`, in microseconds, or somewhat earlier.
    pub(super) fn at(&self, deadline: Instant) -> i64 {
        let read = *self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.map_or(0, |read| at(read, deadline))
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(u64::try_from(self.at(Instant::now())).unwrap_or(0))
    }
}

fn at((micros, observed): (i64, Instant), time: Instant) -> i64 {
    let micros_of = |duration: Duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
    match time.checked_duration_since(observed) {
        Some(later) => micros.saturating_add(micros_of(later)),
        None => micros.saturating_sub(micros_of(observed.duration_since(time))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_later_than_on_this_clock() {
        let clock = DatabaseClock::default();
        assert_eq!(clock.at(Instant::now()), 0, "nothing is known: too late");
        let before = Instant::now();
        clock.observe(1_000_000_000, before);
        assert!(clock.at(before + Duration::from_secs(1)) <= 1_001_000_000);
        assert!(clock.at(before - Duration::from_secs(1)) <= 999_000_000);
        assert!(clock.at(Instant::now() + Duration::from_secs(1)) >= 1_001_000_000);
    }

    #[test]
    fn a_late_answer_does_not_spoil_what_is_known() {
        let (clock, start) = (DatabaseClock::default(), Instant::now());
        clock.observe(1_000_000_000, start);
        clock.observe(
            997_000_000,
            start.checked_sub(Duration::from_secs(3)).unwrap(),
        );
        assert!(clock.at(Instant::now()) >= 1_000_000_000);
        // A quick answer tells that the clock went back.
        clock.observe(500_000_000, Instant::now());
        assert!(clock.at(start + Duration::from_secs(60)) < 600_000_000);
    }
}
