//! What a cache must answer: the operations of the coherence protocol on one key, with no regard for speed.

use kverse_core::cached::{FetchFailed, Finish, Lease, Lookup};
use kverse_core::{Entry, Version};

#[derive(Clone, Debug, Default)]
pub(crate) enum State {
    #[default]
    Unknown,
    Known(Version, Option<Entry>),
    Leased(Lease),
    Marked {
        floor: Version,
        tainted: bool,
        /// Attempts, and whether they have lapsed.
        attempts: Vec<(u64, bool)>,
    },
}

impl State {
    /// What a lookup answers; the lease of a miss is the one that the cache gave out.
    pub(crate) fn lookup(&mut self, given: &Lookup) -> Lookup {
        match self {
            Self::Known(_, entry) => return Lookup::Hit(entry.clone()),
            Self::Leased(_) => return Lookup::Busy,
            Self::Marked { attempts, .. } if attempts.iter().any(|(_, lapsed)| !lapsed) => {
                return Lookup::Bypass;
            }
            Self::Marked { .. } | Self::Unknown => {}
        }
        let lease = match given {
            Lookup::Miss(lease) => *lease,
            _ => Lease(0),
        };
        *self = Self::Leased(lease);
        Lookup::Miss(lease)
    }

    pub(crate) fn fill(&mut self, lease: Lease, found: Result<Option<Entry>, FetchFailed>) {
        if matches!(self, Self::Leased(held) if *held == lease) {
            *self = match found {
                Ok(entry) => Self::Known(version_of(entry.as_ref()), entry),
                Err(FetchFailed) => Self::Unknown,
            };
        }
    }

    pub(crate) fn mark(&mut self, attempt: u64) {
        let marked = match std::mem::take(self) {
            Self::Known(version, _) => (version, false, Vec::new()),
            Self::Unknown | Self::Leased(_) => (Version::NONE, false, Vec::new()),
            Self::Marked {
                floor,
                mut tainted,
                mut attempts,
            } => {
                attempts.retain(|(other, _)| *other != attempt);
                let before = attempts.len();
                attempts.retain(|(_, lapsed)| !lapsed);
                tainted |= attempts.len() < before && !attempts.is_empty();
                (floor, tainted, attempts)
            }
        };
        let (floor, tainted, mut attempts) = marked;
        attempts.push((attempt, false));
        *self = Self::Marked {
            floor,
            tainted,
            attempts,
        };
    }

    pub(crate) fn renew(&mut self, attempt: u64) {
        if let Self::Marked { attempts, .. } = self {
            for (other, lapsed) in attempts {
                *lapsed &= *other != attempt;
            }
        }
    }

    pub(crate) fn finish(&mut self, attempt: u64, outcome: &Finish) {
        let version = match outcome {
            Finish::Done(version, _) | Finish::Uncached(version) => Some(*version),
            Finish::NotDone => None,
            Finish::Unknown => return,
        };
        let Self::Marked {
            floor,
            tainted,
            attempts,
        } = self
        else {
            let is_older = |known: Version| version.is_some_and(|version| known < version);
            let is_stale = match self {
                Self::Known(known, _) => is_older(*known),
                Self::Leased(_) => version.is_some(),
                _ => false,
            };
            if is_stale {
                *self = Self::Unknown;
            }
            return;
        };
        if !attempts.iter().any(|(other, _)| *other == attempt) {
            return;
        }
        attempts.retain(|(other, _)| *other != attempt);
        let before = attempts.len();
        attempts.retain(|(_, lapsed)| !lapsed);
        *tainted |= attempts.len() < before;
        *floor = version.map_or(*floor, |version| version.max(*floor));
        if attempts.is_empty() {
            *self = match outcome {
                Finish::Done(version, entry) if *version == *floor && !*tainted => {
                    Self::Known(*version, entry.clone())
                }
                _ => Self::Unknown,
            };
        }
    }

    /// The deadline of an attempt passes.
    pub(crate) fn lapse(&mut self, attempt: u64) {
        if let Self::Marked { attempts, .. } = self {
            for (other, lapsed) in attempts {
                *lapsed |= *other == attempt;
            }
        }
    }

    /// What has an expiry goes.
    pub(crate) fn evict(&mut self) {
        if !matches!(self, Self::Marked { .. }) {
            *self = Self::Unknown;
        }
    }
}

fn version_of(entry: Option<&Entry>) -> Version {
    entry.map_or(Version::NONE, |entry| entry.version)
}
