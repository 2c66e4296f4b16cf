//! Whether the cache is fit to be used.

use std::time::Duration;

use tokio::time::Instant;

use super::epoch::{CacheError, EpochCache};
use super::timing::Timing;
use crate::Timestamp;

/// A time that somebody else told.
#[derive(Clone, Copy, Debug)]
pub(super) struct ToldTime {
    time: Timestamp,
    /// It was that time between these two.
    between: (Instant, Instant),
}

impl ToldTime {
    /// The answer, which has just come, to a question asked at `asked`.
    pub(super) fn new(time: Timestamp, asked: Instant) -> Self {
        Self {
            time,
            between: (asked, Instant::now()),
        }
    }

    /// How far another clock is off this one, at least: nobody knows how long the answers were on their way.
    fn offset(&self, other: &Self) -> Duration {
        let micros = |time: Timestamp| i128::from(time.as_micros());
        let since = |later: Instant, earlier: Instant| match later.checked_duration_since(earlier) {
            Some(later) => later.as_micros().cast_signed(),
            None => -earlier.duration_since(later).as_micros().cast_signed(),
        };
        let apart = micros(other.time) - micros(self.time);
        let at_least = apart - since(other.between.1, self.between.0);
        let at_most = apart - since(other.between.0, self.between.1);
        let offset = at_least.max(-at_most).max(0);
        Duration::from_micros(u64::try_from(offset).unwrap_or(u64::MAX))
    }
}

/// The last inspection of the cache. It is repeated at an interval, and whenever another process answers.
#[derive(Debug)]
pub(super) struct Inspection {
    run_id: String,
    at: Instant,
    /// How far its clock is off that of the database, if it told the time.
    pub(super) clock_offset: Option<Duration>,
    /// Why the cache cannot be used, if it cannot.
    pub(super) unfit: Option<String>,
}

impl Inspection {
    /// Whether this is what can be said of this process still.
    pub(super) fn holds(&self, run_id: &str, timing: &Timing) -> bool {
        self.run_id == run_id && self.at.elapsed() < timing.inspect_interval
    }

    /// Inspects the cache process.
    ///
    /// # Errors
    /// If it does not answer.
    pub(super) async fn make(
        cache: &dyn EpochCache,
        run_id: &str,
        database: ToldTime,
        timing: &Timing,
    ) -> Result<Self, CacheError> {
        let asked = Instant::now();
        let (clock_offset, unfit) = match cache.inspect().await {
            Ok(times) => {
                let told = times.into_iter().map(|time| ToldTime::new(time, asked));
                // That of the clock that is furthest off.
                let offset = told.map(|time| database.offset(&time)).max();
                let (offset, limit) = (offset.unwrap_or_default(), timing.max_clock_offset);
                let unfit = (offset > limit).then(|| {
                    format!(
                        "has a clock that is {offset:.1?} off that of the database, the limit is {limit:?}: set both by NTP"
                    )
                });
                (Some(offset), unfit)
            }
            Err(CacheError::Unfit(why)) => (None, Some(why)),
            Err(error) => return Err(error),
        };
        Ok(Self {
            run_id: run_id.to_owned(),
            at: asked,
            clock_offset,
            unfit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_way_of_an_answer_is_no_offset() {
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let told = |time: u64, from: u32, to: u32| ToldTime {
            time: Timestamp::from_micros(time * 1_000_000),
            between: (start + second * from, start + second * to),
        };
        assert_eq!(told(100, 0, 0).offset(&told(100, 0, 0)), Duration::ZERO);
        assert_eq!(told(100, 0, 0).offset(&told(107, 7, 7)), Duration::ZERO);
        // Either clock is ahead.
        assert_eq!(told(100, 0, 0).offset(&told(105, 2, 2)), second * 3);
        assert_eq!(told(105, 2, 2).offset(&told(100, 0, 0)), second * 3);
        // Slow answers.
        assert_eq!(told(100, 0, 4).offset(&told(102, 4, 5)), Duration::ZERO);
        assert_eq!(told(100, 0, 4).offset(&told(109, 4, 5)), second * 4);
    }
}
