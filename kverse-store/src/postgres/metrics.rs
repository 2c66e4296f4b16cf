//! What the pool of connections is doing.

use deadpool::managed::{Pool, Status};
use kverse_core::Result;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use super::connection::Connector;

/// Has the metrics of a pool in the registry.
///
/// | metric | what |
/// |---|---|
/// | `kverse_postgres_connections` | connections that are open, by `state`: `in_use`, `idle` |
/// | `kverse_postgres_connections_limit` | the most that may be open |
/// | `kverse_postgres_connections_waiting` | operations that wait for a connection |
pub(super) fn register(pool: &Pool<Connector>, registry: &Registry) -> Result<()> {
    let opts = Opts::new(
        "kverse_postgres_connections",
        "Open connections to PostgreSQL, by what they do.",
    );
    registry.register(Box::new(PoolGauges {
        pool: pool.clone(),
        connections: IntGaugeVec::new(opts, &["state"])?,
        limit: IntGauge::new(
            "kverse_postgres_connections_limit",
            "The most connections to PostgreSQL that may be open.",
        )?,
        waiting: IntGauge::new(
            "kverse_postgres_connections_waiting",
            "Operations that wait for a connection to PostgreSQL.",
        )?,
    }))?;
    Ok(())
}

/// How many connections of a pool are in use.
pub(super) fn in_use(status: &Status) -> usize {
    status.size.saturating_sub(status.available)
}

/// Gauges that are set when they are asked for.
struct PoolGauges {
    pool: Pool<Connector>,
    connections: IntGaugeVec,
    limit: IntGauge,
    waiting: IntGauge,
}

impl Collector for PoolGauges {
    fn desc(&self) -> Vec<&Desc> {
        let gauges: [Vec<&Desc>; 3] = [
            self.connections.desc(),
            self.limit.desc(),
            self.waiting.desc(),
        ];
        gauges.into_iter().flatten().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let status = self.pool.status();
        let set = |gauge: &IntGauge, count: usize| {
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        };
        set(
            &self.connections.with_label_values(&["in_use"]),
            in_use(&status),
        );
        set(
            &self.connections.with_label_values(&["idle"]),
            status.available,
        );
        set(&self.limit, status.max_size);
        set(&self.waiting, status.waiting);
        let gauges: [Vec<MetricFamily>; 3] = [
            self.connections.collect(),
            self.limit.collect(),
            self.waiting.collect(),
        ];
        gauges.into_iter().flatten().collect()
    }
}
