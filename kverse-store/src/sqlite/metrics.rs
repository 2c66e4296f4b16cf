//! What the writer measures.

use kverse_core::Result;
use prometheus::{Histogram, HistogramOpts, Registry};

/// The metrics of the writer. They count in any case, and are seen where there is a registry.
pub(super) struct Metrics {
    commit_operations: Histogram,
}

impl Metrics {
    pub(super) fn new(registry: Option<&Registry>) -> Result<Self> {
        let options = HistogramOpts::new(
            "kverse_sqlite_commit_operations",
            "Operations per commit of the SQLite writer.",
        )
        .buckets(vec![1.0, 4.0, 16.0, 64.0, 256.0, 1000.0]);
        let commit_operations = Histogram::with_opts(options)?;
        if let Some(registry) = registry {
            registry.register(Box::new(commit_operations.clone()))?;
        }
        Ok(Self { commit_operations })
    }

    /// A commit of so many operations.
    pub(super) fn committed(&self, operations: usize) {
        self.commit_operations.observe(operations as f64);
    }
}
