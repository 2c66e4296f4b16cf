//! Versions: what orders the writes of a key.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Timestamp};

/// The version of a key: a hybrid logical clock (Kulkarni et al., 2014) kept per row, in microseconds since 1970.
///
/// Each write of a key gets [`Version::next`] under the row's lock, so that versions of a key only grow: across
/// deletes, restarts, and clocks that go back. `0` ([`Version::NONE`]) means that the key was never written. Below
/// 2^53 until the year 2255; travels as a decimal string, because JSON readers round large numbers.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(
    value_type = String, pattern = "^[0-9]+$", format = "kverse-version",
    description = "The version of a key, which grows with each write: a decimal number below 2^64.",
    examples("1767225600000000"),
))]
pub struct Version(u64);

impl Version {
    /// The version of a key that was never written.
    pub const NONE: Self = Self(0);

    /// The version with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number of the version.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The version of a write at `now` over a row of version `self`: greater than both the row's and, unless the clock
    /// went back, any version given out before `now`.
    #[must_use]
    pub fn next(self, now: Timestamp) -> Self {
        Self((self.0 + 1).max(now.as_micros()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(version: &str) -> Result<Self> {
        let digits = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
        match version.parse() {
            Ok(number) if digits => Ok(Self(number)),
            _ => Err(Error::invalid_input(format!(
                "`{version}` is not a version: expected a decimal number"
            ))),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = Error;

    fn try_from(version: String) -> Result<Self> {
        version.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_grows_even_when_the_clock_goes_back() {
        let now = Timestamp::from_micros(1_000);
        let first = Version::NONE.next(now);
        assert_eq!(first.get(), 1_000);
        assert_eq!(first.next(now).get(), 1_001);
        assert_eq!(first.next(Timestamp::from_micros(5)).get(), 1_001);
    }

    #[test]
    fn parses_only_decimal_numbers() {
        assert_eq!("17".parse::<Version>().unwrap().get(), 17);
        for bad in ["", "+1", "-1", "1.0", "x", "18446744073709551616"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
    }
}
