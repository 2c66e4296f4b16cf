//! What the metrics say: everything since the server started.

use kverse_core::Timestamp;
use prometheus::Registry;
use prometheus::proto::{Metric, MetricFamily};

use super::latency::Latencies;
use super::{CacheMode, Sample};
use crate::metrics::names;

/// The sums of all series that a sample is made of.
#[derive(Debug, Default)]
pub(super) struct Totals {
    requests: u64,
    errors: u64,
    rejected: u64,
    latencies: Latencies,
    cache_hits: u64,
    cache_misses: u64,
    in_flight: u64,
    connections: u64,
    pub(super) cache: CacheMode,
}

impl Totals {
    /// The totals as of now.
    pub(super) fn read(metrics: &Registry) -> Self {
        let mut totals = Self::default();
        for family in metrics.gather() {
            totals.add(&family);
        }
        totals
    }

    fn add(&mut self, family: &MetricFamily) {
        let series = family.get_metric();
        match family.name() {
            names::REQUESTS => series.iter().for_each(|one| self.add_requests(one)),
            names::DURATIONS => {
                let of_requests = series.iter().filter(|one| label(one, "route") != "/watch");
                of_requests.for_each(|one| self.latencies.add(one.get_histogram()));
            }
            names::IN_FLIGHT => self.in_flight = gauge(series),
            names::CONNECTIONS => self.connections = gauge(series),
            // Of the store: see `ObservedStore`, `MemoryCache` and `ReplicaStatus`.
            "kverse_store_reads_total" => {
                for one in series {
                    match label(one, "cache") {
                        "hit" => self.cache_hits += count(one),
                        "miss" | "bypass" => self.cache_misses += count(one),
                        _ => {}
                    }
                }
            }
            "kverse_cache_capacity_bytes" => self.cache = CacheMode::Local,
            "kverse_cache_mode" => {
                let mode = series.iter().find(|one| one.get_gauge().get_value() > 0.0);
                self.cache = match mode.map_or("", |one| label(one, "mode")) {
                    "on" => CacheMode::On,
                    "warming" => CacheMode::Warming,
                    "off" => CacheMode::Off,
                    _ => CacheMode::Unknown,
                };
            }
            _ => {}
        }
    }

    fn add_requests(&mut self, series: &Metric) {
        let requests = count(series);
        self.requests += requests;
        match label(series, "status").as_bytes().first() {
            Some(b'5') => self.errors += requests,
            Some(b'4') => self.rejected += requests,
            _ => {}
        }
    }

    /// What happened between those and these.
    pub(super) fn since(&self, before: &Self, at: Timestamp) -> Sample {
        let latencies = self.latencies.since(&before.latencies);
        Sample {
            at,
            requests: self.requests.saturating_sub(before.requests),
            errors: self.errors.saturating_sub(before.errors),
            rejected: self.rejected.saturating_sub(before.rejected),
            p50_ms: latencies.quantile_ms(0.5),
            p95_ms: latencies.quantile_ms(0.95),
            p99_ms: latencies.quantile_ms(0.99),
            cache_hits: self.cache_hits.saturating_sub(before.cache_hits),
            cache_misses: self.cache_misses.saturating_sub(before.cache_misses),
            items: None,
            in_flight: self.in_flight,
            connections: self.connections,
        }
    }
}

fn label<'a>(series: &'a Metric, name: &str) -> &'a str {
    let labels = series.get_label().iter();
    let mut found = labels.filter(|label| label.name() == name);
    found.next().map_or("", |label| label.value())
}

/// Counters are whole numbers, and prometheus has them as floats, which hold them exactly as far as anyone counts.
fn count(series: &Metric) -> u64 {
    series.get_counter().get_value() as u64
}

fn gauge(series: &[Metric]) -> u64 {
    series
        .first()
        .map_or(0, |one| one.get_gauge().get_value().max(0.0) as u64)
}
