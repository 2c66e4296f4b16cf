//! The writes of a replica that are under way.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::view::Access;

/// Each write from its permission to its end, by the id of its attempt.
#[derive(Debug)]
pub(super) struct InFlight {
    writes: Mutex<HashMap<u64, Write>>,
    next_attempt: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    access: Access,
    since: Instant,
}

impl InFlight {
    /// Attempts are told apart from those of other replicas by where they start.
    pub(super) fn new() -> Self {
        Self {
            writes: Mutex::default(),
            next_attempt: AtomicU64::new(rand::random()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Write>> {
        self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_attempt(&self) -> u64 {
        self.next_attempt.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn begin(&self, attempt: u64, access: Access, since: Instant) {
        self.lock().insert(attempt, Write { access, since });
    }

    pub(super) fn end(&self, attempt: u64) {
        self.lock().remove(&attempt);
    }

    /// What the write was begun under, if it is still under way.
    pub(super) fn access(&self, attempt: u64) -> Option<Access> {
        self.lock().get(&attempt).map(|write| write.access)
    }

    /// The write takes longer than usual: it counts as begun now.
    pub(super) fn renew(&self, attempt: u64) -> Option<Access> {
        let mut writes = self.lock();
        let write = writes.get_mut(&attempt)?;
        write.since = Instant::now();
        Some(write.access)
    }

    /// Whether a write under an older revision is under way. One that nobody has ended within `lifetime` of its start is
    /// over: its fence has seen to that.
    pub(super) fn any_older(&self, revision: u64, lifetime: Duration) -> bool {
        let mut writes = self.lock();
        writes.retain(|_, write| write.since.elapsed() <= lifetime);
        writes
            .values()
            .any(|write| write.access.revision < revision)
    }
}
