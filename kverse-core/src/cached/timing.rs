//! The times that the coherence protocol counts on.

use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// The times that all replicas of a deployment agree on, and the backend with them. A wrong one breaks the promise that
/// reads are never stale, so [`validate`](Self::validate) is asked before anything starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How often a replica reads the register. Default 0.5 s.
    pub register_interval: Duration,
    /// How long what the register said may be relied on, from when the query was sent. Default 2 s.
    pub lease: Duration,
    /// How long a marker stands, by the cache's clock, unless its write finishes it. Default 10 s.
    pub marker_lifetime: Duration,
    /// A write goes to the backend within this time of its mark, or is marked again. Default 1 s.
    pub start_within: Duration,
    /// The backend refuses a statement that starts later than this after the write reached it. Default 3 s.
    pub fence: Duration,
    /// How long a statement of the backend may run. Default 3 s.
    pub statement_timeout: Duration,
    /// What is left of a marker's life for the commit itself: at least this. Default 2 s.
    pub commit_wait: Duration,
    /// How long a write waits until it may be done; then it is `Unavailable`. Default 2.5 s.
    pub mark_wait: Duration,
    /// A cache that has answered nothing for this long is given up on. Default 0.25 s.
    pub give_up_after: Duration,
    /// The cache is used again when it has answered for this long. Default 2 s.
    pub stable_after: Duration,
    /// How often it is checked that the cache is fit, and its clock right. Default 10 s.
    pub inspect_interval: Duration,
    /// How far the clocks of the cache and the database may be apart; beyond it the cache is not used. Default 1 s.
    pub max_clock_offset: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            register_interval: Duration::from_millis(500),
            lease: Duration::from_secs(2),
            marker_lifetime: Duration::from_secs(10),
            start_within: Duration::from_secs(1),
            fence: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(3),
            commit_wait: Duration::from_secs(2),
            mark_wait: Duration::from_millis(2500),
            give_up_after: Duration::from_millis(250),
            stable_after: Duration::from_secs(2),
            inspect_interval: Duration::from_secs(10),
            max_clock_offset: Duration::from_secs(1),
        }
    }
}

impl Timing {
    /// Refuses times with which the protocol could not keep its promise.
    ///
    /// # Errors
    /// `InvalidInput`, with what must be longer than what.
    pub fn validate(&self) -> Result<()> {
        let write = self.start_within + self.fence + self.statement_timeout + self.commit_wait;
        require(
            "marker_lifetime",
            self.marker_lifetime,
            "start_within + fence + statement_timeout + commit_wait",
            write,
        )?;
        require(
            "lease",
            self.lease,
            "2 * register_interval",
            2 * self.register_interval,
        )?;
        require("mark_wait", self.mark_wait, "lease", self.lease)?;
        require(
            "register_interval",
            self.register_interval,
            "zero",
            Duration::ZERO,
        )
    }

    /// How long after its last heartbeat a replica is over: it no longer serves hits, and none of its writes are under
    /// way. A replica asks for its last lease within one lease of that heartbeat, or not at all, and its last write begins
    /// under that lease.
    pub(super) fn forgotten_after(&self) -> Duration {
        2 * self.lease + self.marker_lifetime
    }
}

fn require(longer: &str, is: Duration, shorter: &str, bound: Duration) -> Result<()> {
    if is > bound {
        return Ok(());
    }
    let message =
        format!("{longer} is {is:?}, it must be longer than {shorter}, which is {bound:?}");
    Err(Error::new(ErrorKind::InvalidInput, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        Timing::default().validate().unwrap();
    }

    #[test]
    fn a_marker_that_lapses_before_its_write_is_over_is_refused() {
        let timing = Timing {
            marker_lifetime: Duration::from_secs(9),
            ..Timing::default()
        };
        let error = timing.validate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "marker_lifetime is 9s, it must be longer than start_within + fence + statement_timeout + commit_wait, which is 9s"
        );
    }
}
