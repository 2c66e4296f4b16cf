//! What a replica knows of the register, and what that lets it do.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::mode::{Mode, ModeState};

/// The rules of the protocol that the tests switch off one by one, to see that they are needed.
#[derive(Clone, Copy, Debug)]
#[doc(hidden)]
pub struct Rules {
    /// A hit counts only under a valid lease.
    pub lease: bool,
    /// Writes wait one lease after the mode was seen to leave `On`.
    pub hold_writes: bool,
    /// `Warming` lasts until the writes of older views are over.
    pub warming_waits: bool,
    /// What a write under `Warming` stored is not cached.
    pub nothing_cached_while_warming: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            lease: true,
            hold_writes: true,
            warming_waits: true,
            nothing_cached_while_warming: true,
        }
    }
}

/// The last state of the register that this replica has read.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) state: ModeState,
    /// When it first saw this revision.
    pub(super) seen_at: Instant,
    /// When the query that last gave this state was sent.
    pub(super) asked_at: Instant,
    lease_until: Instant,
    writes_from: Instant,
    /// Until when this replica may rely on its cache being the process that the epoch belongs to; `None` if it is not.
    joined_until: Option<Instant>,
}

/// The right to use an epoch, as of some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) revision: u64,
    pub(super) epoch: u64,
    pub(super) mode: Mode,
}

/// What a writer may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteAccess {
    /// Write, by the rules of this access.
    Now(Access),
    /// Nothing before then.
    Hold(Instant),
    /// Nothing until the register was read.
    LeaseLost,
}

#[derive(Debug)]
pub(super) struct View {
    known: watch::Sender<Option<Known>>,
    lease: Duration,
    rules: Rules,
}

impl View {
    pub(super) fn new(lease: Duration, rules: Rules) -> Self {
        Self {
            known: watch::Sender::new(None),
            lease,
            rules,
        }
    }

    pub(super) fn known(&self) -> Option<Known> {
        self.known.borrow().clone()
    }

    /// To wait for what is learned next.
    pub(super) fn changes(&self) -> watch::Receiver<Option<Known>> {
        self.known.subscribe()
    }

    /// Takes note of a state that a query found which was sent at `asked_at`. Whether its revision is new.
    pub(super) fn learn(&self, state: ModeState, asked_at: Instant) -> bool {
        let now = Instant::now();
        let mut new = false;
        self.known.send_modify(|known| {
            let lease_until = asked_at + self.lease;
            match known {
                // As a whole: of a database that was restored, a revision may be another one than it was before.
                Some(known) if known.state == state => {
                    known.lease_until = known.lease_until.max(lease_until);
                    known.asked_at = known.asked_at.max(asked_at);
                }
                _ => {
                    new = true;
                    *known = Some(Known {
                        writes_from: self.writes_from(known.as_ref(), &state, now),
                        joined_until: known
                            .as_ref()
                            .filter(|known| known.state.epoch == state.epoch)
                            .and_then(|known| known.joined_until),
                        seen_at: now,
                        asked_at,
                        lease_until,
                        state,
                    });
                }
            }
        });
        new
    }

    /// A write under the new state must not be done while another replica may serve hits that do not know of it: those of
    /// a replica that has not yet seen the mode leave `On`, for at most one lease.
    fn writes_from(&self, known: Option<&Known>, new: &ModeState, now: Instant) -> Instant {
        if !self.rules.hold_writes {
            return now;
        }
        match known {
            // There never was a hit.
            _ if new.revision == 0 => now,
            // Before it was `Warming` of the same epoch, for at least one lease: no hits of another epoch are left.
            _ if new.mode == Mode::On => now,
            // `On` was left with a revision that was seen earlier.
            Some(known)
                if known.state.mode != Mode::On && known.state.revision + 1 == new.revision =>
            {
                known.writes_from
            }
            _ => now + self.lease,
        }
    }

    /// This replica's cache was the process of the epoch when it was asked at `asked_at`; `None`: it is not. That holds for
    /// one lease: meanwhile the process may have lost what it knew without having ended, as one that has become a replica of
    /// another, and is none any more.
    pub(super) fn join(&self, epoch: u64, asked_at: Option<Instant>) {
        self.known.send_if_modified(|known| match known {
            Some(known) if known.state.epoch == epoch => {
                let before = known.joined_until;
                known.joined_until = asked_at.map(|asked_at| asked_at + self.lease);
                before.is_some() != asked_at.is_some()
            }
            _ => false,
        });
    }

    /// Relies on nothing any more.
    pub(super) fn forget(&self) {
        self.known.send_replace(None);
    }

    /// Whether hits may be served at `now`.
    pub(super) fn hits(&self, now: Instant) -> Option<Access> {
        let known = self.known.borrow();
        let known = known.as_ref()?;
        let joined_until = known.joined_until?;
        let leased = now < known.lease_until.min(joined_until) || !self.rules.lease;
        let allowed = known.state.mode == Mode::On && leased;
        allowed.then(|| known.access())
    }

    /// Whether what the cache has answered under this access may be relied on.
    pub(super) fn still(&self, access: Access) -> bool {
        self.hits(Instant::now()) == Some(access)
    }

    pub(super) fn writes(&self) -> WriteAccess {
        let known = self.known.borrow();
        let now = Instant::now();
        match known.as_ref() {
            Some(known) if now < known.lease_until => {
                if now < known.writes_from {
                    WriteAccess::Hold(known.writes_from)
                } else {
                    WriteAccess::Now(known.access())
                }
            }
            _ => WriteAccess::LeaseLost,
        }
    }
}

impl Known {
    fn access(&self) -> Access {
        Access {
            revision: self.state.revision,
            epoch: self.state.epoch,
            mode: self.state.mode,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_cache_that_was_not_asked_for_a_lease_gives_no_hits() {
        let lease = Duration::from_secs(2);
        let view = View::new(lease, Rules::default());
        let state = ModeState {
            revision: 3,
            epoch: 1,
            mode: Mode::On,
            run_id: "r".to_owned(),
        };
        let learn = || view.learn(state.clone(), Instant::now());
        learn();
        assert_eq!(view.hits(Instant::now()), None);
        view.join(1, Some(Instant::now()));
        assert!(view.hits(Instant::now()).is_some());
        tokio::time::advance(lease).await;
        // The register is read first.
        learn();
        assert_eq!(view.hits(Instant::now()), None);
        view.join(2, Some(Instant::now()));
        assert_eq!(view.hits(Instant::now()), None);
        view.join(1, Some(Instant::now()));
        assert!(view.hits(Instant::now()).is_some());
        view.join(1, None);
        assert_eq!(view.hits(Instant::now()), None);
    }
}
