//! The cache server: what Redis and the scripts do, in memory.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use kverse_core::cached::{CacheError, Fill, Finish, Lease, Lookup};
use kverse_core::{Entry, Key, Result, Version};
use tokio::time::Instant;

#[derive(Clone, Debug, Default)]
pub(crate) struct CacheServer {
    pub(crate) process: u64,
    pub(crate) epochs: BTreeMap<u64, Epoch>,
    pub(crate) next_lease: u64,
    /// By how much its clock is ahead.
    pub(crate) ahead: Duration,
    /// Why it must not be used.
    pub(crate) unfit: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Epoch {
    /// The process that it was opened on.
    pub(crate) process: u64,
    pub(crate) keys: HashMap<Key, KeyState>,
}

#[derive(Clone, Debug)]
pub(crate) enum KeyState {
    Entry(Option<Entry>),
    Lease(Lease, Instant),
    Marker {
        deadlines: BTreeMap<u64, Instant>,
        floor: Version,
        tainted: bool,
    },
}

impl CacheServer {
    fn epoch(&mut self, epoch: u64) -> Result<&mut Epoch, CacheError> {
        let process = self.process;
        match self.epochs.get_mut(&epoch) {
            None => Err(CacheError::NoEpoch),
            Some(found) if found.process != process => Err(CacheError::Restarted),
            Some(found) => Ok(found),
        }
    }

    pub(crate) fn lookup(&mut self, epoch: u64, key: &Key) -> Result<Lookup, CacheError> {
        self.next_lease += 1;
        let lease = Lease(self.next_lease);
        let now = Instant::now();
        let keys = &mut self.epoch(epoch)?.keys;
        match keys.get(key) {
            Some(KeyState::Entry(entry)) => return Ok(Lookup::Hit(entry.clone())),
            Some(KeyState::Lease(_, until)) if now < *until => return Ok(Lookup::Busy),
            Some(KeyState::Marker { deadlines, .. })
                if deadlines.values().any(|deadline| now < *deadline) =>
            {
                return Ok(Lookup::Bypass);
            }
            _ => {}
        }
        let until = now + Duration::from_secs(3);
        keys.insert(key.clone(), KeyState::Lease(lease, until));
        Ok(Lookup::Miss(lease))
    }

    pub(crate) fn fill(&mut self, epoch: u64, fill: Fill) -> Result<bool, CacheError> {
        let keys = &mut self.epoch(epoch)?.keys;
        let holds =
            matches!(keys.get(&fill.key), Some(KeyState::Lease(lease, _)) if *lease == fill.lease);
        if holds {
            match fill.found {
                Ok(found) => keys.insert(fill.key, KeyState::Entry(found)),
                Err(_) => keys.remove(&fill.key),
            };
        }
        Ok(holds)
    }

    pub(crate) fn mark(
        &mut self,
        epoch: u64,
        key: &Key,
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        let now = Instant::now();
        let keys = &mut self.epoch(epoch)?.keys;
        let (mut deadlines, floor, mut tainted) = match keys.remove(key) {
            Some(KeyState::Entry(Some(entry))) => (BTreeMap::new(), entry.version, false),
            Some(KeyState::Marker {
                deadlines,
                floor,
                tainted,
            }) => (deadlines, floor, tainted),
            _ => (BTreeMap::new(), Version::NONE, false),
        };
        tainted |= drop_dead(&mut deadlines, now) && !deadlines.is_empty();
        deadlines.insert(attempt, now + lifetime);
        let marker = KeyState::Marker {
            deadlines,
            floor,
            tainted,
        };
        keys.insert(key.clone(), marker);
        Ok(())
    }

    pub(crate) fn renew(
        &mut self,
        epoch: u64,
        key: &Key,
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        let state = self.epoch(epoch)?.keys.get_mut(key);
        if let Some(KeyState::Marker { deadlines, .. }) = state
            && let Some(deadline) = deadlines.get_mut(&attempt)
        {
            *deadline = Instant::now() + lifetime;
        }
        Ok(())
    }

    pub(crate) fn finish(
        &mut self,
        epoch: u64,
        attempt: u64,
        key: Key,
        outcome: Finish,
    ) -> Result<(), CacheError> {
        let now = Instant::now();
        let keys = &mut self.epoch(epoch)?.keys;
        if outcome == Finish::Unknown {
            return Ok(());
        }
        let done = match &outcome {
            Finish::Done(version, _) | Finish::Uncached(version) => *version,
            Finish::NotDone | Finish::Unknown => Version::NONE,
        };
        match keys.get_mut(&key) {
            Some(KeyState::Marker {
                deadlines,
                floor,
                tainted,
            }) => {
                let own = deadlines.remove(&attempt).is_some();
                *tainted |= drop_dead(deadlines, now) || !own;
                *floor = (*floor).max(done);
                if !deadlines.is_empty() {
                    return Ok(());
                }
                let cached = !*tainted && *floor == done;
                keys.remove(&key);
                if let Finish::Done(_, entry) = outcome
                    && cached
                {
                    keys.insert(key, KeyState::Entry(entry));
                }
            }
            Some(KeyState::Entry(Some(entry))) if entry.version > done => {}
            Some(_) => {
                keys.remove(&key);
            }
            None => {}
        }
        Ok(())
    }
}

/// Whether any was dropped.
fn drop_dead(deadlines: &mut BTreeMap<u64, Instant>, now: Instant) -> bool {
    let before = deadlines.len();
    deadlines.retain(|_, deadline| now < *deadline);
    deadlines.len() < before
}
