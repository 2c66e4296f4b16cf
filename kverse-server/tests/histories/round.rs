//! One fault under load, and what came of it.

use std::fmt;
use std::time::Duration;

use kverse_core::testing::history::Violation;

use crate::client::Counts;
use crate::cluster::Cluster;
use crate::faults::Fault;
use crate::workload::Workload;

/// What a round has shown.
pub(crate) struct Report {
    fault: Fault,
    pub(crate) operations: usize,
    counts: Counts,
    pub(crate) violations: Vec<Violation>,
    /// The epochs of the cache before and after.
    epochs: [u64; 2],
    /// How long it took after the fault until all replicas served hits and writes again.
    recovery: Duration,
}

impl Report {
    /// How many reads were served by the cache.
    pub(crate) fn hits(&self) -> usize {
        self.counts.hits
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts {
            hits,
            writes,
            failed_reads,
        } = self.counts;
        let [before, after] = self.epochs;
        write!(
            f,
            "{}: {} operations, {} violations, {hits} hits, {writes} writes acknowledged, {failed_reads} reads failed, \
             epoch {before} to {after}, all is well {:.1} s after",
            self.fault,
            self.operations,
            self.violations.len(),
            self.recovery.as_secs_f32()
        )
    }
}

/// So many hits and writes of each replica show that it is well.
const ENOUGH: usize = 20;

/// Injects a fault while clients are at work.
///
/// # Panics
/// If the service does not recover, if something is lost or stale, or if the fault had no effect.
pub(crate) async fn round(cluster: &mut Cluster, fault: Fault, seed: u64) -> Report {
    const INCONSISTENCIES: &str = "kverse_cache_inconsistencies_total";
    let workload = Workload::start(cluster.urls(), fault.load(), seed);
    workload.all_serve(ENOUGH).await;
    let (epoch, failed_reads) = (cluster.epoch(), workload.totals().failed_reads);
    fault.inject(cluster, &workload).await;
    let recovery = workload.all_serve(ENOUGH).await;

    let counts = workload.totals();
    let operations = workload.history.len();
    let report = Report {
        fault,
        violations: workload.finish().await,
        operations,
        counts,
        epochs: [epoch, cluster.epoch()],
        recovery,
    };
    println!("{report}");
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(cluster.metric(INCONSISTENCIES).await == 0.0, "{report}");
    if fault.empties_the_cache() {
        assert!(report.epochs[0] < report.epochs[1], "{report}");
    }
    if fault.spares_reads() {
        assert_eq!(counts.failed_reads, failed_reads, "{report}");
    }
    report
}
