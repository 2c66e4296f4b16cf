//! The one source of "now".

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A point in time: microseconds since 1970-01-01 UTC, until the end of the year 9999. As text, and in JSON, RFC 3339 in
/// UTC with microseconds: `2026-01-01T00:00:00.000000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(
    value_type = String, format = DateTime, pattern = r"^(19[7-9][0-9]|[2-9][0-9]{3})-.*(Z|\+00:00)$",
    description = "A point in time: RFC 3339 in UTC, from the year 1970 on.", examples("2026-01-01T00:00:00.000000Z"),
))]
pub struct Timestamp(u64);

impl Timestamp {
    /// The last point in time: 9999-12-31T23:59:59.999999Z, the end of RFC 3339.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// The point in time that is this many microseconds after 1970, at most [`Self::MAX`].
    pub const fn from_micros(micros: u64) -> Self {
        if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since 1970.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// This much later, at most [`Self::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// This much earlier; 1970 if that is out of range.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(u64::try_from(duration.as_micros()).map_or(0, |micros| self.0.saturating_sub(micros)))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_micros(SystemTime::from(*self)).fmt(f)
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let time = humantime::parse_rfc3339(text).map_err(|error| {
            let message = format!(
                "`{text}` is not a time: expected RFC 3339 in UTC, such as 2026-01-01T00:00:00Z"
            );
            Error::invalid_input(message).with_source(error)
        })?;
        Ok(Self::from(time))
    }
}

impl TryFrom<String> for Timestamp {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> Self {
        timestamp.to_string()
    }
}

impl From<SystemTime> for Timestamp {
    /// A time before 1970 reads as 1970.
    fn from(time: SystemTime) -> Self {
        Self(0).saturating_add(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl From<Timestamp> for SystemTime {
    fn from(timestamp: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_micros(timestamp.0)
    }
}

/// The source of "now" for versions and expiry.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The present.
    fn now(&self) -> Timestamp;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock before 1970 reads as 1970: versions still grow, by one a write.
        Timestamp::from(SystemTime::now())
    }
}

/// A clock that stands still until it is told to move, for tests.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that stands at `now`.
    pub const fn new(now: Timestamp) -> Self {
        Self(AtomicU64::new(now.0))
    }

    /// Moves the clock to `now`, which may lie in the past.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.0, Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().saturating_add(duration));
    }
}

impl Default for ManualClock {
    /// A clock that stands at 2026-01-01 00:00:00 UTC.
    fn default() -> Self {
        Self::new(Timestamp::from_micros(1_767_225_600_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_exact_to_the_microsecond() {
        let timestamp = Timestamp::from_micros(1_767_225_600_000_001);
        assert_eq!(timestamp.to_string(), "2026-01-01T00:00:00.000001Z");
        assert_eq!(
            timestamp.to_string().parse::<Timestamp>().unwrap(),
            timestamp
        );
    }

    #[test]
    fn the_last_time_has_a_text() {
        let last = Timestamp::from_micros(u64::MAX).saturating_add(Duration::MAX);
        assert_eq!(last.to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(last.to_string().parse::<Timestamp>().unwrap(), last);
    }
}
