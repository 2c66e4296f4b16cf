//! A cache server, a database with a mode register, and what replicas see of them through links that can be cut.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use kverse_core::cached::{
    CacheError, EpochCache, Fill, Finish, Heartbeat, Lease, Lookup, Mode, ModeRegister, ModeState,
    write_fence,
};
use kverse_core::{
    Capabilities, ComponentHealth, Entry, Error, ErrorKind, Key, KvStore, MemoryStore, Operation,
    OperationOutcome, Page, ReadOutcome, Result, ScanOptions, Stats, Timestamp, Version, Write,
    WriteOutcome,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// All that the replicas share.
#[derive(Debug)]
pub(crate) struct World {
    cache: Mutex<CacheServer>,
    register: Mutex<Register>,
    pub(crate) database: MemoryStore,
    random: Mutex<StdRng>,
    /// Its clocks begin here.
    start: Instant,
}

#[derive(Clone, Debug, Default)]
struct CacheServer {
    process: u64,
    epochs: BTreeMap<u64, Epoch>,
    next_lease: u64,
    /// By how much its clock is ahead.
    ahead: Duration,
    /// Why it must not be used.
    unfit: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Epoch {
    /// The process that it was opened on.
    process: u64,
    keys: HashMap<Key, KeyState>,
}

#[derive(Clone, Debug)]
enum KeyState {
    Entry(Option<Entry>),
    Lease(Lease, Instant),
    Marker {
        deadlines: BTreeMap<u64, Instant>,
        floor: Version,
        tainted: bool,
    },
}

#[derive(Debug)]
struct Register {
    state: ModeState,
    replicas: HashMap<u128, (Instant, u64)>,
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

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1 << 40).saturating_add(self.start.elapsed())
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot(self.cache().clone())
    }

    fn cache(&self) -> MutexGuard<'_, CacheServer> {
        self.cache.lock().unwrap()
    }

    pub(crate) fn random<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.random.lock().unwrap())
    }
}

pub(crate) struct Snapshot(CacheServer);

impl CacheServer {
    fn epoch(&mut self, epoch: u64) -> Result<&mut Epoch, CacheError> {
        let process = self.process;
        match self.epochs.get_mut(&epoch) {
            None => Err(CacheError::NoEpoch),
            Some(found) if found.process != process => Err(CacheError::Restarted),
            Some(found) => Ok(found),
        }
    }

    fn lookup(&mut self, epoch: u64, key: &Key) -> Result<Lookup, CacheError> {
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

    fn fill(&mut self, epoch: u64, fill: Fill) -> Result<bool, CacheError> {
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

    fn mark(
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

    fn renew(
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

    fn finish(
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
    slow_writes: Mutex<Duration>,
    /// The database does a write, but nobody waits for its answer.
    lost_writes: Mutex<bool>,
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
    async fn cache<T>(
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

    async fn database<T>(&self, call: impl Future<Output = Result<T>> + Send) -> Result<T> {
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

#[derive(Debug)]
pub(crate) struct CacheLink(pub(crate) Arc<Links>);

#[async_trait]
impl EpochCache for CacheLink {
    async fn open_epoch(&self, epoch: u64) -> Result<(), CacheError> {
        self.0
            .cache(|cache| {
                let opened = Epoch {
                    process: cache.process,
                    keys: HashMap::new(),
                };
                assert!(cache.epochs.insert(epoch, opened).is_none());
                Ok(())
            })
            .await
    }

    async fn run_id(&self) -> Result<String, CacheError> {
        self.0.cache(|cache| Ok(cache.process.to_string())).await
    }

    async fn inspect(&self) -> Result<Timestamp, CacheError> {
        let now = self.0.world.now();
        self.0
            .cache(|cache| match &cache.unfit {
                Some(why) => Err(CacheError::Unfit(why.clone())),
                None => Ok(now.saturating_add(cache.ahead)),
            })
            .await
    }

    async fn lookup(&self, epoch: u64, keys: &[Key]) -> Result<Vec<Lookup>, CacheError> {
        self.0
            .cache(|cache| keys.iter().map(|key| cache.lookup(epoch, key)).collect())
            .await
    }

    async fn fill(&self, epoch: u64, fills: Vec<Fill>) -> Result<Vec<bool>, CacheError> {
        self.0
            .cache(|cache| {
                let fills = fills.into_iter();
                fills.map(|fill| cache.fill(epoch, fill)).collect()
            })
            .await
    }

    async fn mark(
        &self,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        self.0
            .cache(|cache| {
                keys.iter()
                    .try_for_each(|key| cache.mark(epoch, key, attempt, lifetime))
            })
            .await
    }

    async fn renew(
        &self,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        self.0
            .cache(|cache| {
                keys.iter()
                    .try_for_each(|key| cache.renew(epoch, key, attempt, lifetime))
            })
            .await
    }

    async fn finish(
        &self,
        epoch: u64,
        attempt: u64,
        outcomes: Vec<(Key, Finish)>,
    ) -> Result<(), CacheError> {
        self.0
            .cache(|cache| {
                outcomes
                    .into_iter()
                    .try_for_each(|(key, outcome)| cache.finish(epoch, attempt, key, outcome))
            })
            .await
    }

    async fn sweep(&self, epoch: u64) -> Result<bool, CacheError> {
        self.0
            .cache(|cache| {
                cache.epochs.retain(|old, _| *old >= epoch);
                Ok(false)
            })
            .await
    }
}

impl fmt::Display for CacheLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated cache")
    }
}

#[derive(Debug)]
pub(crate) struct RegisterLink(pub(crate) Arc<Links>);

#[async_trait]
impl ModeRegister for RegisterLink {
    async fn read(&self) -> Result<ModeState> {
        self.0.database(async { Ok(self.0.world.state()) }).await
    }

    async fn compare_and_swap(&self, expected: u64, new: ModeState) -> Result<bool> {
        let swap = async {
            let mut register = self.0.world.register.lock().unwrap();
            let swapped = register.state.revision == expected;
            if swapped {
                assert_eq!(new.revision, expected + 1);
                register.state = new;
            }
            Ok(swapped)
        };
        self.0.database(swap).await
    }

    async fn heartbeat(
        &self,
        replica: u128,
        revision: u64,
        forget_after: Duration,
    ) -> Result<Heartbeat> {
        let beat = async {
            let mut register = self.0.world.register.lock().unwrap();
            let now = Instant::now();
            register.replicas.insert(replica, (now, revision));
            register
                .replicas
                .retain(|_, (said_at, _)| now.duration_since(*said_at) < forget_after);
            let said = register.replicas.values();
            Ok(Heartbeat {
                alive: register.replicas.len() as u64,
                ready: said.filter(|(_, said)| *said >= revision).count() as u64,
                now: self.0.world.now(),
            })
        };
        self.0.database(beat).await
    }
}

/// The database as a replica sees it: a write may wait for a lock, and honours its fence when it gets there.
#[derive(Debug)]
pub(crate) struct DatabaseLink(pub(crate) Arc<Links>);

impl DatabaseLink {
    async fn fenced<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let fence = write_fence();
        let links = &self.0;
        links
            .database(async {
                if fence.is_some_and(|fence| Instant::now() > fence) {
                    return Err(Error::new(ErrorKind::Unavailable, "too late"));
                }
                let slow = *links.slow_writes.lock().unwrap();
                let write = async move {
                    if !slow.is_zero() {
                        sleep(slow).await;
                    }
                    write.await
                };
                if *links.lost_writes.lock().unwrap() {
                    tokio::spawn(write);
                    return Err(Error::new(ErrorKind::Timeout, "the connection broke"));
                }
                write.await
            })
            .await
    }
}

#[async_trait]
impl KvStore for DatabaseLink {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        for key in keys {
            let mut reads = self.0.database_reads.lock().unwrap();
            *reads.entry(key.clone()).or_default() += 1;
        }
        self.0.database(self.0.world.database.read(keys)).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        let world = Arc::clone(&self.0.world);
        self.fenced(async move { world.database.write(writes).await })
            .await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        let world = Arc::clone(&self.0.world);
        self.fenced(async move { world.database.transact(operations).await })
            .await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.0.database(self.0.world.database.scan(options)).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.0.database(self.0.world.database.stats()).await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.0.world.database.check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.world.database.capabilities().with_shared(true)
    }
}

impl fmt::Display for DatabaseLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated database")
    }
}
