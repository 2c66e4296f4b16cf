//! Random faults under load: no read is stale, and the service comes back when they stop; and each rule of the protocol is
//! needed, or the same runs find a stale read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kverse_core::KvStoreExt;
use kverse_core::cached::{Mode, Rules, Sampler};
use rand::RngExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::links::Links;
use crate::replica::{Replica, key};
use crate::world::World;

const KEYS: [&str; 2] = ["a", "b"];
const REPLICAS: usize = 3;
const RUNS: u64 = 15;

/// What has been acknowledged, and what was read.
#[derive(Default)]
struct History {
    acknowledged: [AtomicU64; 2],
    reads: AtomicU64,
    hits: AtomicU64,
    writes: AtomicU64,
    refused: AtomicU64,
    stale: AtomicU64,
}

/// A replica with its clients; all of them end when it is dropped.
struct Running {
    replica: Replica,
    sampler: Sampler,
    _clients: JoinSet<()>,
}

impl Running {
    fn start(world: &Arc<World>, history: &Arc<History>, rules: Rules) -> Self {
        let replica = Replica::start_with(world, rules);
        let sampler = replica.store.sample(Duration::from_secs(1), 4, None);
        let mut clients = JoinSet::new();
        for _ in 0..2 {
            clients.spawn(client(&replica, Arc::clone(history)));
        }
        Self {
            sampler: sampler.unwrap(),
            replica,
            _clients: clients,
        }
    }
}

impl Drop for Running {
    /// As killed: what was on its way from it has arrived or not, and nothing follows.
    fn drop(&mut self) {
        self.replica.links.pause(true);
    }
}

fn client(replica: &Replica, history: Arc<History>) -> impl Future<Output = ()> + use<> {
    let (store, world) = (Arc::clone(&replica.store), Arc::clone(&replica.links.world));
    async move {
        loop {
            let (index, write, pause) = world.random(|random| {
                let pause = random.random_range(0..200);
                (random.random_range(0..2), random.random_ratio(1, 4), pause)
            });
            sleep(Duration::from_millis(pause)).await;
            let key = key(KEYS[index]);
            if write {
                match store.put(&key, "x").await {
                    Ok(outcome) => {
                        let version = outcome.version.get();
                        history.acknowledged[index].fetch_max(version, Ordering::SeqCst);
                        history.writes.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(_) => {
                        history.refused.fetch_add(1, Ordering::SeqCst);
                    }
                }
                continue;
            }
            let before = history.acknowledged[index].load(Ordering::SeqCst);
            if let Ok(read) = store.lookup(&key).await {
                let version = read.entry.map_or(0, |entry| entry.version.get());
                history.reads.fetch_add(1, Ordering::SeqCst);
                let hit = read.cache == kverse_core::CacheStatus::Hit;
                history.hits.fetch_add(u64::from(hit), Ordering::SeqCst);
                let stale = version < before;
                history.stale.fetch_add(u64::from(stale), Ordering::SeqCst);
            }
        }
    }
}

/// What can happen to a replica or to the cache.
#[derive(Clone, Copy, Debug)]
enum Fault {
    CutCache,
    CutDatabase,
    Pause,
    Flush,
    Restart,
    RestartFromSnapshot,
    Kill,
    SlowMessages,
    SlowWrites,
    LostWrites,
    LostAnswers,
}

const ALL: [Fault; 11] = [
    Fault::CutCache,
    Fault::CutDatabase,
    Fault::Pause,
    Fault::Flush,
    Fault::Restart,
    Fault::RestartFromSnapshot,
    Fault::Kill,
    Fault::SlowMessages,
    Fault::SlowWrites,
    Fault::LostWrites,
    Fault::LostAnswers,
];

/// One random fault of one replica, or all is well again with it.
fn disturb(
    world: &Arc<World>,
    running: &mut [Running],
    history: &Arc<History>,
    (rules, faults): (Rules, &[Fault]),
) {
    let (fault, index, well, size) = world.random(|random| {
        (
            faults[random.random_range(0..faults.len())],
            random.random_range(0..REPLICAS),
            random.random_ratio(1, 2),
            random.random_range(0..100u64),
        )
    });
    let links = &running[index].replica.links;
    if well {
        return heal(links);
    }
    match fault {
        Fault::CutCache => links.cut_cache(true),
        Fault::CutDatabase => links.cut_database(true),
        Fault::Pause => links.pause(true),
        Fault::Flush => world.flush_cache(),
        Fault::Restart => world.restart_cache(),
        Fault::RestartFromSnapshot => world.restart_cache_from(&world.snapshot()),
        Fault::Kill => running[index] = Running::start(world, history, rules),
        Fault::SlowMessages => links.slow(Duration::from_millis(size)),
        Fault::SlowWrites => links.slow_writes(Duration::from_millis(size * 50)),
        Fault::LostWrites => {
            links.slow_writes(Duration::from_millis(size * 30));
            links.lose_writes(true);
        }
        Fault::LostAnswers => *links.lossy.lock().unwrap() = true,
    }
}

fn heal(links: &Links) {
    links.cut_cache(false);
    links.cut_database(false);
    links.pause(false);
    links.slow(Duration::from_millis(2));
    links.slow_writes(Duration::ZERO);
    links.lose_writes(false);
    *links.lossy.lock().unwrap() = false;
}

/// Two minutes of faults; then the service must be as it was, within two minutes.
async fn run(seed: u64, rules: Rules, faults: &[Fault]) -> Arc<History> {
    let world = World::new(seed);
    let history = Arc::new(History::default());
    let mut running: Vec<Running> = (0..REPLICAS)
        .map(|_| Running::start(&world, &history, rules))
        .collect();
    let until = Instant::now() + Duration::from_secs(120);
    while Instant::now() < until {
        let pause = world.random(|random| random.random_range(0..8000));
        sleep(Duration::from_millis(pause)).await;
        disturb(&world, &mut running, &history, (rules, faults));
    }
    for running in &running {
        heal(&running.replica.links);
    }
    sleep(Duration::from_secs(30)).await;
    for running in &running {
        running.replica.until(Mode::On, 0).await;
    }
    for running in &running {
        running.replica.put("x").await.unwrap();
    }
    if history.stale.load(Ordering::SeqCst) == 0 {
        for running in &running {
            assert_eq!(running.sampler.inconsistencies(), 0, "seed {seed}");
        }
    }
    history
}

/// Each run has a clock of its own.
fn run_alone(seed: u64, rules: Rules, faults: &[Fault]) -> Arc<History> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(run(seed, rules, faults))
}

#[test]
fn no_read_is_stale_and_the_service_comes_back() {
    let (mut reads, mut hits, mut writes, mut refused) = (0, 0, 0, 0);
    for seed in 0..RUNS {
        let history = run_alone(seed, Rules::default(), &ALL);
        assert_eq!(history.stale.load(Ordering::SeqCst), 0, "seed {seed}");
        reads += history.reads.load(Ordering::SeqCst);
        hits += history.hits.load(Ordering::SeqCst);
        writes += history.writes.load(Ordering::SeqCst);
        refused += history.refused.load(Ordering::SeqCst);
    }
    println!("{reads} reads, {hits} of them hits, {writes} writes, {refused} refused");
    assert!(
        hits > reads / 10 && writes > refused,
        "the faults leave no time to test anything"
    );
}

/// Runs with those faults that the rule is there for.
#[track_caller]
fn assert_needed(rules: Rules, faults: &[Fault]) {
    let stale = |seed| run_alone(seed, rules, faults).stale.load(Ordering::SeqCst) > 0;
    let found = (0..100).find(|seed| stale(*seed));
    assert!(found.is_some(), "no stale read without the rule");
    println!("found by seed {found:?}");
}

#[test]
fn hits_without_a_lease_are_found_to_be_stale() {
    let rules = Rules {
        lease: false,
        ..Rules::default()
    };
    assert_needed(rules, &[Fault::CutCache, Fault::CutDatabase]);
}

#[test]
fn writes_that_are_not_held_are_found_to_make_hits_stale() {
    let rules = Rules {
        hold_writes: false,
        ..Rules::default()
    };
    assert_needed(rules, &[Fault::CutCache]);
}

#[test]
fn a_warming_that_does_not_wait_is_found_to_make_hits_stale() {
    let rules = Rules {
        warming_waits: false,
        ..Rules::default()
    };
    assert_needed(rules, &[Fault::CutCache, Fault::SlowWrites]);
}
