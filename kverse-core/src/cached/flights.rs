//! Fetches that the readers of a process share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::{Entry, Key, Result};

/// What a fetch brought; `None` if a write came in between, so that it is not for others.
type Landed = Option<Result<Option<Entry>>>;

/// A reader who waits for it.
pub(super) type Waiting = oneshot::Sender<Landed>;

/// The keys that this process is fetching under a lease, with those who wait for them.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<Key, Vec<Waiting>>>>);

/// The fetch of a key. Dropped without a landing it leaves those who wait to themselves.
pub(super) struct Flight {
    flights: Flights,
    key: Key,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets others join the fetch of a key that this caller has the lease of.
    pub(super) fn open(&self, key: Key) -> Flight {
        self.lock().entry(key.clone()).or_default();
        Flight {
            flights: self.clone(),
            key,
        }
    }

    /// Waits for the fetch of a key, if this process is fetching it.
    pub(super) fn join(&self, key: &Key) -> Option<oneshot::Receiver<Landed>> {
        let mut flights = self.lock();
        let waiting = flights.get_mut(key)?;
        let (sender, receiver) = oneshot::channel();
        waiting.push(sender);
        Some(receiver)
    }
}

impl Flight {
    /// Lets nobody join any more: whoever comes later could have seen a newer write. Those who joined so far.
    pub(super) fn close(self) -> Vec<Waiting> {
        self.flights.lock().remove(&self.key).unwrap_or_default()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.key);
    }
}
