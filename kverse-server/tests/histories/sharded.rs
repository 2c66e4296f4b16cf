//! A cache in a Redis Cluster whose nodes fail, are replaced, or give their slots away, under load.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kverse_core::Precondition;
use kverse_core::testing::history::Answer;
use kverse_store::testing::RedisCluster;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::workload::{Load, Workload};

/// What happens to the node that has a certain part of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShardFault {
    /// Its replica is promoted, without the last writes.
    ShardKilled,
    /// The same at once, so that the cache is not even switched off meanwhile.
    ShardTakenOver,
    /// Its replica is promoted on request.
    FailedOverOnRequest,
    /// Its replica is promoted while it stands still; then it goes on, and takes itself for a primary still.
    ShardPaused,
    /// The slot that it uses goes to another node.
    SlotInUseMoved,
    ShardFlushed,
}

/// So many hits and writes of each replica show that it is well.
const ENOUGH: usize = 20;
/// No server is without an acknowledged write for longer: until the fault is noticed, the 2 s for which others may serve hits,
/// and as long again for a machine that is busy.
const LONGEST_PAUSE: Duration = Duration::from_secs(6);
/// The cache is used again so long after the fault, with the time that the cluster takes to replace a node.
const LONGEST_RECOVERY: Duration = Duration::from_secs(30);

/// So many writes of each replica are missed by the node that is promoted.
const MISSED: usize = 10;

impl ShardFault {
    pub(crate) const ALL: [Self; 6] = [
        Self::ShardKilled,
        Self::ShardTakenOver,
        Self::FailedOverOnRequest,
        Self::ShardPaused,
        Self::SlotInUseMoved,
        Self::ShardFlushed,
    ];

    /// Has it happen, and waits until the cluster has come to terms with it.
    async fn inject(self, redis: &mut RedisCluster, workload: &Workload) {
        /// Of the first third.
        const SLOT: u16 = 0;
        let primary = redis.owner(SLOT);
        let replica = (primary + RedisCluster::PRIMARIES) % (2 * RedisCluster::PRIMARIES);
        match self {
            Self::ShardKilled => {
                redis.cut_off(primary, replica);
                workload.all_write(MISSED).await;
                redis.node(primary).kill();
                redis.nodes()[replica].resume();
                promoted(redis, replica).await;
                redis.node(primary).start_again();
            }
            Self::ShardTakenOver => {
                redis.cut_off(primary, replica);
                workload.all_write(MISSED).await;
                redis.take_over(replica);
            }
            Self::FailedOverOnRequest => redis.fail_over_to(replica),
            Self::ShardPaused => {
                redis.nodes()[primary].pause();
                promoted(redis, replica).await;
                redis.nodes()[primary].resume();
            }
            Self::SlotInUseMoved => {
                let slot = slot_in_use(redis, primary);
                let target = redis.owner(16383);
                redis.move_slot(slot, primary, target);
                sleep(Duration::from_secs(1)).await;
                redis.move_slot(slot, target, primary);
            }
            Self::ShardFlushed => {
                assert_eq!(redis.nodes()[primary].command(&["FLUSHALL"]), "+OK");
            }
        }
    }
}

async fn promoted(redis: &RedisCluster, replica: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !redis.is_primary(replica) {
        assert!(Instant::now() < deadline, "the replica is not promoted");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The slot of the keys that a node has.
fn slot_in_use(redis: &RedisCluster, node: usize) -> u16 {
    let name = redis.nodes()[node].command(&["RANDOMKEY"]);
    let slot = redis.nodes()[node].command(&["CLUSTER", "KEYSLOT", &name]);
    slot.trim_start_matches(':').parse().unwrap()
}

/// Injects a fault while clients are at work.
///
/// # Panics
/// If the service does not recover in time, if something is lost or stale, or if the fault had no effect.
pub(crate) async fn round(cluster: &mut Cluster<RedisCluster>, fault: ShardFault, seed: u64) {
    let workload = Workload::start(cluster.urls(), Load::default(), seed);
    workload.all_serve(ENOUGH).await;
    let (epoch, before) = (cluster.epoch(), workload.totals());
    let pauses = Pauses::watch(&workload);
    let began = Instant::now();
    fault.inject(&mut cluster.redis, &workload).await;
    let injected = began.elapsed();
    until_later_epoch(cluster, epoch).await;
    workload.all_serve(ENOUGH).await;
    let (recovery, pause) = (began.elapsed(), pauses.longest().await);

    let (counts, operations) = (workload.totals(), workload.history.len());
    let violations = workload.finish().await;
    let report = format!(
        "{fault}: {operations} operations, {} violations, {} hits, {} writes acknowledged, {} reads failed, epoch {epoch} to {}, \
         done after {:.1} s, all is well {:.1} s after the start, longest pause between writes {:.1} s",
        violations.len(),
        counts.hits,
        counts.writes,
        counts.failed_reads,
        cluster.epoch(),
        injected.as_secs_f32(),
        recovery.as_secs_f32(),
        pause.as_secs_f32(),
    );
    println!("{report}");
    assert!(violations.is_empty(), "{violations:#?}");
    let inconsistencies = cluster.metric("kverse_cache_inconsistencies_total");
    assert!(inconsistencies.await == 0.0, "{report}");
    assert_eq!(counts.failed_reads, before.failed_reads, "{report}");
    assert!(pause < LONGEST_PAUSE, "{report}");
    assert!(recovery < LONGEST_RECOVERY, "{report}");
    cluster.redis.wait_until_well();
}

async fn until_later_epoch(cluster: &Cluster<RedisCluster>, epoch: u64) {
    let deadline = Instant::now() + LONGEST_RECOVERY;
    while cluster.epoch() == epoch {
        assert!(Instant::now() < deadline, "the epoch stays {epoch}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Writers who do nothing but look for how long no write is acknowledged, one at each replica.
struct Pauses {
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<Duration>>,
}

impl Pauses {
    fn watch(workload: &Workload) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = Vec::new();
        for (replica, client) in workload.clients.iter().enumerate() {
            let (client, stop, key) = (
                Arc::clone(client),
                Arc::clone(&stop),
                workload.spare.clone(),
            );
            writers.push(tokio::spawn(async move {
                let (mut longest, mut last) = (Duration::ZERO, Instant::now());
                for number in 0_u32.. {
                    let identity = format!("pause/{replica}/{number}");
                    let answer = client.put(&key, identity, Precondition::None).await;
                    if matches!(answer, Answer::Written(_)) {
                        longest = longest.max(last.elapsed());
                        last = Instant::now();
                    }
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    sleep(Duration::from_millis(20)).await;
                }
                longest.max(last.elapsed())
            }));
        }
        Self { stop, writers }
    }

    async fn longest(self) -> Duration {
        self.stop.store(true, Ordering::SeqCst);
        let mut longest = Duration::ZERO;
        for writer in self.writers {
            longest = longest.max(writer.await.unwrap());
        }
        longest
    }
}

impl fmt::Display for ShardFault {
    /// Its name in the way of functions, for test names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::faults::snake_case(&format!("{self:?}"), f)
    }
}
