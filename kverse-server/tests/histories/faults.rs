//! What goes wrong, on a schedule.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::Precondition;
use kverse_core::testing::history::Answer;
use kverse_store::testing::TcpProxy;
use tokio::time::sleep;

use crate::clocks;
use crate::cluster::{Cluster, DATABASE};
use crate::interrupted::{self, Interruption};
use crate::workload::{Load, Workload};

/// Something that goes wrong, and is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// For comparison, under the load by which naive cache-aside is found out.
    Nothing,
    RedisKilled,
    RedisRestoredFromSnapshot,
    RedisFlushed,
    RedisPaused,
    RedisUnreachableFromOne,
    RedisLinksOfOneCut,
    RedisLinksOfAllCut,
    RedisEvicts,
    RedisForgetsScripts,
    PostgresRestarted,
    PostgresKilled,
    PostgresPaused,
    PostgresConnectionsTerminated,
    PostgresLinksCut,
    LinksSplit,
    ClockAhead,
    ClockBehind,
    ReplicaPausedBeyondLease,
    ReplicaPausedBeyondMarkers,
    WriteHeldBeforeDatabase,
    ReplicaPausedBeforeDatabase,
    ReplicaPausedInTransaction,
    OutcomeUnknownAndCacheLost,
    ReplicaKilledBeforeFinish,
    ReplicaKilled,
}

impl Fault {
    /// All of them; those last after which a replica that is gone counts as alive for a minute.
    pub(crate) const ALL: [Self; 26] = [
        Self::Nothing,
        Self::RedisKilled,
        Self::RedisRestoredFromSnapshot,
        Self::RedisFlushed,
        Self::RedisPaused,
        Self::RedisUnreachableFromOne,
        Self::RedisLinksOfOneCut,
        Self::RedisLinksOfAllCut,
        Self::RedisEvicts,
        Self::RedisForgetsScripts,
        Self::PostgresRestarted,
        Self::PostgresKilled,
        Self::PostgresPaused,
        Self::PostgresConnectionsTerminated,
        Self::PostgresLinksCut,
        Self::LinksSplit,
        Self::ClockAhead,
        Self::ClockBehind,
        Self::ReplicaPausedBeyondLease,
        Self::ReplicaPausedBeyondMarkers,
        Self::WriteHeldBeforeDatabase,
        Self::ReplicaPausedBeforeDatabase,
        Self::ReplicaPausedInTransaction,
        Self::OutcomeUnknownAndCacheLost,
        Self::ReplicaKilledBeforeFinish,
        Self::ReplicaKilled,
    ];

    /// What the clients do meanwhile.
    pub(crate) fn load(self) -> Load {
        match self {
            Self::Nothing => Load::CONTENTION,
            // Several times what fits.
            Self::RedisEvicts => Load {
                keys: 250,
                padding: 20_000,
                ..Load::default()
            },
            _ => Load::default(),
        }
    }

    /// Whether the cache cannot be used afterwards as it is.
    pub(crate) fn empties_the_cache(self) -> bool {
        matches!(
            self,
            Self::RedisKilled
                | Self::RedisRestoredFromSnapshot
                | Self::RedisFlushed
                | Self::RedisPaused
                | Self::RedisUnreachableFromOne
                | Self::LinksSplit
                | Self::OutcomeUnknownAndCacheLost
        )
    }

    /// Whether reads go on as if nothing had happened: all that is wrong is the cache.
    pub(crate) fn spares_reads(self) -> bool {
        matches!(
            self,
            Self::Nothing
                | Self::RedisKilled
                | Self::RedisRestoredFromSnapshot
                | Self::RedisFlushed
                | Self::RedisPaused
                | Self::RedisUnreachableFromOne
                | Self::RedisLinksOfOneCut
                | Self::RedisLinksOfAllCut
                | Self::RedisEvicts
                | Self::RedisForgetsScripts
        )
    }

    /// Has it happen, and mends what does not mend itself.
    pub(crate) async fn inject(self, cluster: &mut Cluster, workload: &Workload) {
        match self {
            Self::Nothing => {
                workload.all_write(700).await;
            }
            Self::RedisKilled => {
                cluster.redis.kill();
                // Without a cache the service goes on.
                workload.all_write(SOME).await;
                cluster.redis.start_again();
            }
            Self::RedisRestoredFromSnapshot => {
                assert_eq!(cluster.redis.command(&["SAVE"]), "+OK");
                // What the snapshot has is out of date.
                workload.all_write(SOME).await;
                cluster.redis.kill();
                cluster.redis.start_again();
            }
            Self::RedisFlushed => assert_eq!(cluster.redis.command(&["FLUSHALL"]), "+OK"),
            Self::RedisPaused => {
                cluster.redis.pause();
                workload.all_write(SOME).await;
                sleep(Duration::from_secs(8)).await;
                cluster.redis.resume();
            }
            Self::RedisUnreachableFromOne => {
                cluster.replicas[0].redis.refuse();
                workload.all_write(SOME).await;
                sleep(Duration::from_secs(1)).await;
                cluster.replicas[0].redis.mend();
            }
            Self::RedisLinksOfOneCut => again_and_again(|| cluster.replicas[0].redis.cut()).await,
            Self::RedisLinksOfAllCut => {
                let links = cluster.replicas.iter().map(|replica| &replica.redis);
                let links: Vec<&TcpProxy> = links.collect();
                again_and_again(|| links.iter().for_each(|link| link.cut())).await;
            }
            Self::RedisEvicts => evict(cluster, workload).await,
            Self::RedisForgetsScripts => {
                let flush = ["SCRIPT", "FLUSH"];
                again_and_again(|| assert_eq!(cluster.redis.command(&flush), "+OK")).await;
            }
            Self::PostgresRestarted => cluster.postgres.restart(),
            Self::PostgresKilled => {
                cluster.postgres.kill();
                sleep(Duration::from_secs(1)).await;
                cluster.postgres.start_again();
            }
            Self::PostgresPaused => {
                cluster.postgres.pause();
                // A statement is waited for 5 seconds.
                sleep(Duration::from_secs(7)).await;
                cluster.postgres.resume();
            }
            Self::PostgresConnectionsTerminated => {
                const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                                         WHERE datname = current_database() AND pid <> pg_backend_pid()";
                again_and_again(|| drop(cluster.postgres.sql(DATABASE, TERMINATE))).await;
            }
            Self::PostgresLinksCut => {
                let links = cluster.replicas.iter().map(|replica| &replica.postgres);
                let links: Vec<&TcpProxy> = links.collect();
                again_and_again(|| links.iter().for_each(|link| link.cut())).await;
            }
            Self::LinksSplit => split(cluster, workload).await,
            Self::ClockAhead => clocks::run_ahead(cluster, workload).await,
            Self::ClockBehind => clocks::run_behind(cluster, workload).await,
            Self::ReplicaPausedBeyondLease => pause(cluster, workload, 3).await,
            Self::ReplicaPausedBeyondMarkers => pause(cluster, workload, 12).await,
            Self::WriteHeldBeforeDatabase => {
                interrupted::before_database(cluster, workload, Interruption::Link).await;
            }
            Self::ReplicaPausedBeforeDatabase => {
                interrupted::before_database(cluster, workload, Interruption::Process).await;
            }
            Self::ReplicaPausedInTransaction => {
                interrupted::in_transaction(cluster, workload).await;
            }
            Self::OutcomeUnknownAndCacheLost => interrupted::at_commit(cluster, workload).await,
            Self::ReplicaKilledBeforeFinish => {
                interrupted::before_finish(cluster, workload).await;
            }
            Self::ReplicaKilled => {
                cluster.replicas[0].kill();
                workload.others_serve().await;
                cluster.replicas[0].start_again().await;
            }
        }
    }
}

impl fmt::Display for Fault {
    /// Its name in the way of functions, for test names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        snake_case(&format!("{self:?}"), f)
    }
}

/// Writes the name of a type in the way of functions.
pub(crate) fn snake_case(name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, letter) in name.char_indices() {
        if letter.is_uppercase() && index > 0 {
            f.write_str("_")?;
        }
        write!(f, "{}", letter.to_ascii_lowercase())?;
    }
    Ok(())
}

/// So many writes of each replica show that it does them.
const SOME: usize = 5;

async fn again_and_again(mut fault: impl FnMut()) {
    for _ in 0..8 {
        fault();
        sleep(Duration::from_millis(200)).await;
    }
}

/// Stops the first replica; the others go on, and rely on no word from it.
async fn pause(cluster: &Cluster, workload: &Workload, seconds: u64) {
    cluster.replicas[0].pause();
    workload.others_serve().await;
    sleep(Duration::from_secs(seconds)).await;
    cluster.replicas[0].resume();
}

/// The first replica reaches only Redis, the others only PostgreSQL: they switch the cache off, which it cannot know, and
/// write without it what the first has just read from the cache.
async fn split(cluster: &Cluster, workload: &Workload) {
    const SPLIT: Duration = Duration::from_secs(5);
    let (first, others) = cluster.replicas.split_first().unwrap();
    let (reader, writer, key) = (
        Arc::clone(&workload.clients[0]),
        &workload.clients[1],
        workload.spare.clone(),
    );
    writer.put(&key, "0".to_owned(), Precondition::None).await;
    reader.until_hit(&key, "0", SPLIT).await;
    first.postgres.hold();
    others.iter().for_each(|other| other.redis.refuse());
    let until = Instant::now() + SPLIT;
    let read = key.clone();
    let reading = tokio::spawn(async move {
        while Instant::now() < until {
            reader.get(&read).await;
        }
    });
    let (mut tries, mut writes) = (0, 0);
    while Instant::now() < until {
        tries += 1;
        let identity = format!("split/{tries}");
        let answer = writer.put(&key, identity, Precondition::None).await;
        writes += usize::from(matches!(answer, Answer::Written(_)));
    }
    assert!(writes > SOME, "only {writes} writes without the cache");
    first.postgres.mend();
    others.iter().for_each(|other| other.redis.mend());
    reading.await.unwrap();
}

async fn evict(cluster: &Cluster, workload: &Workload) {
    let redis = &cluster.redis;
    let evicted = || {
        let stats = redis.command(&["INFO", "stats"]);
        let evicted = stats
            .lines()
            .find_map(|line| line.strip_prefix("evicted_keys:"));
        evicted.unwrap().trim().parse::<u64>().unwrap()
    };
    let before = evicted();
    let set = |memory| redis.command(&["CONFIG", "SET", "maxmemory", memory]);
    assert_eq!(set("2mb"), "+OK");
    workload.all_serve(20).await;
    assert_eq!(set("0"), "+OK");
    let evictions = evicted() - before;
    println!("redis_evicts: {evictions} keys were evicted");
    assert!(evictions > 10, "only {evictions} keys were evicted");
}
