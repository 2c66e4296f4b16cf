//! A replica whose clock is wrong. Versions and expiry follow the database's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::Precondition;
use kverse_core::testing::history::Answer;
use tokio::time::sleep;

use crate::client::Client;
use crate::cluster::Cluster;
use crate::workload::Workload;

/// Until the process notices that its clock was set.
const NOTICED: Duration = Duration::from_secs(2);
/// Until what was written is cached.
const CACHED: Duration = Duration::from_secs(2);

/// The first replica's clock goes ahead: it does not take for expired what has still half an hour.
pub(crate) async fn run_ahead(cluster: &Cluster, workload: &Workload) {
    cluster.replicas[0].set_clock("+1h");
    sleep(NOTICED).await;
    workload.all_serve(10).await;
    let [wrong, right] = clients(cluster);
    let key = &workload.spare;
    let stored = |answer| assert!(matches!(answer, Answer::Written(_)), "{answer:?}");
    for (number, writer) in [&right, &wrong].into_iter().enumerate() {
        let value = number.to_string();
        stored(
            writer
                .put_for(key, value.clone(), Precondition::None, "?ttl=30m")
                .await,
        );
        for reader in [&wrong, &right] {
            reader.until_hit(key, &value, CACHED).await;
        }
    }
    cluster.replicas[0].set_clock("+0");
    sleep(NOTICED).await;
}

/// The first replica's clock goes behind: it does not serve for longer what expires.
pub(crate) async fn run_behind(cluster: &Cluster, workload: &Workload) {
    /// The database's clock is known to replicas to within the time of an answer.
    const MARGIN: Duration = Duration::from_millis(500);
    const LIFETIME: Duration = Duration::from_secs(3);
    cluster.replicas[0].set_clock("-1h");
    sleep(NOTICED).await;
    workload.all_serve(10).await;
    let [wrong, right] = clients(cluster);
    let key = &workload.spare;
    let value = "0".to_owned();
    let answer = right
        .put_for(key, value.clone(), Precondition::None, "?ttl=3s")
        .await;
    let stored_at = Instant::now();
    assert!(matches!(answer, Answer::Written(_)), "{answer:?}");
    wrong.until_hit(key, &value, CACHED).await;
    loop {
        let asked_after = stored_at.elapsed();
        match wrong.get(key).await.0 {
            Answer::Absent => break,
            _ => assert!(asked_after < LIFETIME + MARGIN, "{key} outlives its expiry"),
        }
    }
    cluster.replicas[0].set_clock("+0");
    sleep(NOTICED).await;
}

/// Clients whose keys expire, which a history cannot explain.
fn clients(cluster: &Cluster) -> [Client; 2] {
    let client = |replica: usize| Client::new(cluster.replicas[replica].url(), Arc::default(), 0);
    [client(0), client(1)]
}
