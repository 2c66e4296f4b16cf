//! What a replica sees of the servers through links that can be cut.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kverse_core::cached::CacheError;
use kverse_core::{Error, ErrorKind, Key, Result};
use rand::RngExt;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::cache_server::CacheServer;
use crate::world::World;

/// A replica's links to the servers.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) world: Arc<World>,
    cache_cut: watch::Sender<bool>,
    database_cut: watch::Sender<bool>,
    /// Nothing goes on in the replica.
    paused: watch::Sender<bool>,
    /// The most that a message takes.
    slow: Mutex<Duration>,
    /// How long the database takes over a write.
    pub(crate) slow_writes: Mutex<Duration>,
    /// The database does a write, but nobody waits for its answer.
    pub(crate) lost_writes: Mutex<bool>,
    /// How often each key was read from the database.
    pub(crate) database_reads: Mutex<BTreeMap<Key, u64>>,
    /// Messages to the cache may be delivered although the answer is lost.
    pub(crate) lossy: Mutex<bool>,
}

impl Links {
    pub(crate) fn new(world: &Arc<World>) -> Arc<Self> {
        Arc::new(Self {
            world: Arc::clone(world),
            cache_cut: watch::Sender::new(false),
            database_cut: watch::Sender::new(false),
            paused: watch::Sender::new(false),
            slow: Mutex::new(Duration::from_millis(2)),
            slow_writes: Mutex::default(),
            lost_writes: Mutex::default(),
            database_reads: Mutex::default(),
            lossy: Mutex::default(),
        })
    }

    pub(crate) fn cut_cache(&self, cut: bool) {
        self.cache_cut.send_replace(cut);
    }

    pub(crate) fn cut_database(&self, cut: bool) {
        self.database_cut.send_replace(cut);
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.send_replace(paused);
    }

    pub(crate) fn slow(&self, at_most: Duration) {
        *self.slow.lock().unwrap() = at_most;
    }

    pub(crate) fn slow_writes(&self, by: Duration) {
        *self.slow_writes.lock().unwrap() = by;
    }

    pub(crate) fn lose_writes(&self, lose: bool) {
        *self.lost_writes.lock().unwrap() = lose;
    }

    /// A message is on its way, and the replica may be paused before it is sent or after it arrived.
    async fn travel(&self) {
        self.running().await;
        let slow = *self.slow.lock().unwrap();
        let micros = u64::try_from(slow.as_micros()).unwrap();
        let delay = self.world.random(|random| random.random_range(0..=micros));
        if delay > 0 {
            sleep(Duration::from_micros(delay)).await;
        }
    }

    async fn running(&self) {
        let mut paused = self.paused.subscribe();
        paused.wait_for(|paused| !paused).await.unwrap();
    }

    /// A call of the cache: it may get there, and the answer may get lost.
    pub(crate) async fn cache<T>(
        &self,
        call: impl FnOnce(&mut CacheServer) -> Result<T, CacheError> + Send,
    ) -> Result<T, CacheError> {
        const TIMEOUT: Duration = Duration::from_millis(100);
        let cut = || CacheError::Unreachable("the link is cut".to_owned());
        let exchange = async {
            self.travel().await;
            if *self.cache_cut.borrow() {
                return Err(cut());
            }
            let answer = call(&mut self.world.cache());
            self.travel().await;
            let lossy = *self.lossy.lock().unwrap();
            let lost = lossy && self.world.random(|random| random.random_ratio(1, 3));
            if *self.cache_cut.borrow() || lost {
                return Err(cut());
            }
            answer
        };
        let answer = match timeout(TIMEOUT, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(CacheError::Unreachable("no answer in time".to_owned())),
        };
        // A paused process sees neither the answer nor the time-out.
        self.running().await;
        answer
    }

    pub(crate) async fn database<T>(
        &self,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        self.travel().await;
        let mut cut = self.database_cut.subscribe();
        let cut = *cut.borrow_and_update();
        if cut {
            return Err(Error::new(ErrorKind::Unavailable, "the link is cut"));
        }
        let answer = call.await;
        self.travel().await;
        self.running().await;
        answer
    }
}
