//! The primary of PostgreSQL goes, and its standby takes over.

use std::time::{Duration, Instant};

use kverse_core::Precondition;
use kverse_core::testing::history::Answer;

use crate::cluster::Cluster;
use crate::workload::{Load, Workload};

/// How the primary goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// All at once.
    Killed,
    /// As an administrator stops it.
    Stopped,
}

/// So many hits and writes of each replica show that it is well.
const ENOUGH: usize = 20;

/// How long after the standby is the primary each replica writes again, at most.
const PAUSE: Duration = Duration::from_secs(10);

/// With a standby that commits wait for, clients see nothing but a pause.
///
/// # Panics
/// If something is lost or stale, or the pause is longer than it should be.
pub(crate) async fn loses_nothing(end: End, seed: u64) {
    let mut cluster = Cluster::start_with_standby(2).await;
    cluster.postgres.wait_for_standby();
    let workload = Workload::start(cluster.urls(), Load::default(), seed);
    workload.all_serve(ENOUGH).await;
    let before = workload.totals().writes;

    let began = Instant::now();
    match end {
        End::Killed => cluster.postgres.kill(),
        End::Stopped => cluster.postgres.stop(),
    }
    cluster.promote();
    let promoted = began.elapsed();
    let pause = workload.all_write(1).await;
    let recovery = workload.all_serve(ENOUGH).await;
    // What Redis has hides nothing.
    assert_eq!(cluster.redis.command(&["FLUSHALL"]), "+OK");
    workload.all_serve(ENOUGH).await;

    let (writes, operations) = (workload.totals().writes, workload.history.len());
    let violations = workload.finish().await;
    println!(
        "primary {end:?}: {operations} operations, {} violations, {before} writes acknowledged before, {} since; promoted after \
         {:.1} s, all write {:.1} s after that, all is well {:.1} s later",
        violations.len(),
        writes - before,
        promoted.as_secs_f32(),
        pause.as_secs_f32(),
        recovery.as_secs_f32(),
    );
    assert!(violations.is_empty(), "{violations:#?}");
    assert!(pause < PAUSE, "{pause:?}");
}

/// A standby that commits do not wait for takes over without the last of them: it is by their loss that the other tests would
/// notice.
pub(crate) async fn is_found_out(seed: u64) {
    let mut cluster = Cluster::start_with_standby(2).await;
    let workload = Workload::start(cluster.urls(), Load::default(), seed);
    workload.all_serve(ENOUGH).await;
    let client = &workload.clients[0];
    cluster.standby.as_ref().unwrap().stop_following();
    let lost = client.put(&workload.spare, "lost".to_owned(), Precondition::None);
    let answer = lost.await;
    assert!(matches!(answer, Answer::Written(_)), "{answer:?}");

    cluster.postgres.kill();
    cluster.promote();
    assert_eq!(cluster.redis.command(&["FLUSHALL"]), "+OK");
    workload.all_write(1).await;
    let (answer, _) = client.get(&workload.spare).await;
    assert_eq!(answer, Answer::Absent);
    let spare = workload.spare.clone();
    let violations = workload.finish().await;
    println!(
        "{} violations of a standby that is not waited for",
        violations.len()
    );
    assert!(violations.iter().any(|violation| violation.key == spare));
}
