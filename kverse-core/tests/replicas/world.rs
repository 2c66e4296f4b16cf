//! All that the replicas share: a cache server, and a database with a mode register.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kverse_core::cached::{Mode, ModeState};
use kverse_core::{MemoryStore, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::time::Instant;

use crate::cache_server::CacheServer;

/// All that the replicas share.
#[derive(Debug)]
pub(crate) struct World {
    cache: Mutex<CacheServer>,
    pub(crate) register: Mutex<Register>,
    pub(crate) database: MemoryStore,
    random: Mutex<StdRng>,
    /// Its clocks begin here.
    start: Instant,
}

#[derive(Debug)]
pub(crate) struct Register {
    pub(crate) state: ModeState,
    pub(crate) replicas: HashMap<u128, (Instant, u64)>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        let state = ModeState {
            revision: 0,
            epoch: 0,
            mode: Mode::Off,
            run_id: String::new(),
        };
        Arc::new(Self {
            cache: Mutex::default(),
            register: Mutex::new(Register {
                state,
                replicas: HashMap::new(),
            }),
            database: MemoryStore::default(),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            start: Instant::now(),
        })
    }

    pub(crate) fn state(&self) -> ModeState {
        self.register.lock().unwrap().state.clone()
    }

    /// Everything in the cache is gone.
    pub(crate) fn flush_cache(&self) {
        self.cache().epochs.clear();
    }

    /// The cache server starts again, empty.
    pub(crate) fn restart_cache(&self) {
        self.flush_cache();
        self.cache().process += 1;
    }

    /// The cache server starts again, with what it held some time ago.
    pub(crate) fn restart_cache_from(&self, snapshot: &Snapshot) {
        let mut cache = self.cache();
        let process = cache.process + 1;
        let next_lease = cache.next_lease;
        *cache = snapshot.0.clone();
        (cache.process, cache.next_lease) = (process, next_lease);
    }

    /// The clock of the cache is ahead of that of the database by this much.
    pub(crate) fn set_cache_ahead(&self, ahead: Duration) {
        self.cache().ahead = ahead;
    }

    /// The cache is as it must not be, for this reason, or it is as it should be.
    pub(crate) fn set_unfit(&self, why: Option<&str>) {
        self.cache().unfit = why.map(str::to_owned);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(1 << 40).saturating_add(self.start.elapsed())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot(self.cache().clone())
    }

    pub(crate) fn cache(&self) -> MutexGuard<'_, CacheServer> {
        self.cache.lock().unwrap()
    }

    pub(crate) fn random<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.random.lock().unwrap())
    }
}

pub(crate) struct Snapshot(CacheServer);
