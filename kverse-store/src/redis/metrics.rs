//! What the Redis cache measures.

use kverse_core::{Error, ErrorKind, Result};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::commands::Command;
use super::error;

/// The metrics. They count in any case, and are seen where there is a registry.
#[derive(Debug)]
pub(super) struct Metrics {
    durations: HistogramVec,
    /// By the number of the command.
    duration_of: Vec<Histogram>,
    errors: IntCounterVec,
    pub(super) garbage: IntCounter,
    pub(super) connections: IntGauge,
}

impl Metrics {
    pub(super) fn new() -> Result<Self> {
        Self::build().map_err(internal)
    }

    fn build() -> Result<Self, prometheus::Error> {
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "kverse_cache_command_duration_seconds",
                "How long commands to Redis took, with failures.",
            )
            .buckets(vec![
                0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
            ]),
            &["command"],
        )?;
        let errors = IntCounterVec::new(
            Opts::new(
                "kverse_cache_command_errors_total",
                "Commands to Redis that failed, by error.",
            ),
            &["error"],
        )?;
        for error in error::LABELS {
            // Counted from zero on, so that the first is a change.
            errors.with_label_values(&[error]);
        }
        Ok(Self {
            duration_of: Command::ALL
                .iter()
                .map(|command| durations.with_label_values(&[command.name()]))
                .collect(),
            durations,
            errors,
            garbage: IntCounter::new(
                "kverse_cache_garbage_total",
                "Values in Redis that KVerse cannot have written.",
            )?,
            connections: IntGauge::new("kverse_cache_connections", "Connections to Redis.")?,
        })
    }

    pub(super) fn register(&self, registry: &Registry) -> Result<()> {
        let collectors: [Box<dyn prometheus::core::Collector>; 4] = [
            Box::new(self.durations.clone()),
            Box::new(self.errors.clone()),
            Box::new(self.garbage.clone()),
            Box::new(self.connections.clone()),
        ];
        for collector in collectors {
            registry.register(collector).map_err(internal)?;
        }
        Ok(())
    }

    /// The histogram of a command.
    pub(super) fn duration(&self, command: Command) -> &Histogram {
        // One for each command, in order.
        &self.duration_of[command as usize]
    }

    /// A command failed in this way.
    pub(super) fn failed(&self, error: &'static str) {
        self.errors.with_label_values(&[error]).inc();
    }
}

fn internal(error: prometheus::Error) -> Error {
    Error::new(
        ErrorKind::Internal,
        "the metrics of the cache cannot be registered",
    )
    .with_source(error)
}
