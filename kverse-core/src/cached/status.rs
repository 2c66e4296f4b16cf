//! What a replica tells about its cache.

use std::sync::{Arc, Weak};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use tokio::time::{Instant, timeout};

use super::mode::Mode;
use super::replicated::Shared;
use crate::{ComponentHealth, Error, ErrorKind, Result};

/// What a replica knows of the shared cache, as of now.
///
/// | metric | what |
/// |---|---|
/// | `kverse_cache_mode` | 1 for the `mode` that the replica is in: `on`, `warming`, `off`, `unknown`; 0 for the others |
/// | `kverse_cache_epoch` | the epoch of the cache |
/// | `kverse_cache_lease_age_seconds` | how long ago the register was last read; -1 if never |
/// | `kverse_cache_reachable` | 1 unless the cache was given up on |
/// | `kverse_cache_clock_offset_seconds` | how far the clock of the cache was off that of the database when it was last inspected; -1 if never |
/// | `kverse_cache_transitions_total` | changes of the mode that the replica saw, by the `mode` they led to |
/// | `kverse_cache_errors_total` | calls of the cache that failed or were not answered |
/// | `kverse_cache_lost_finishes_total` | writes whose marker was left to lapse, because the cache could not be told of their end |
/// | `kverse_cache_writes_refused_total` | writes that were refused, because they could not be done without stale reads |
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaStatus {
    /// The mode; `None` if the register has never been read, or the lease has run out.
    pub mode: Option<Mode>,
    /// The epoch of the cache; 0 before the first.
    pub epoch: u64,
    /// The revision of the register.
    pub revision: u64,
    /// How long ago the query was sent that last read the register.
    pub lease_age: Option<Duration>,
    /// Whether the cache answers.
    pub reachable: bool,
    /// Whether hits may be served.
    pub hits: bool,
    /// Why the cache is not used although it answers.
    pub unfit: Option<String>,
    /// The last call of the cache that failed: how long ago, and why.
    pub last_error: Option<(Duration, String)>,
}

/// What happened since the replica started.
#[derive(Debug)]
pub(super) struct Counters {
    transitions: IntCounterVec,
    pub(super) cache_errors: IntCounter,
    pub(super) lost_finishes: IntCounter,
    pub(super) writes_refused: IntCounter,
}

impl Counters {
    pub(super) fn new() -> Result<Self> {
        let transitions = Opts::new(
            "kverse_cache_transitions_total",
            "Changes of the cache's mode, by the mode they led to",
        );
        let transitions = IntCounterVec::new(transitions, &["mode"])?;
        for mode in [Mode::On, Mode::Warming, Mode::Off] {
            // Counted from zero on, so that the first is a change.
            transitions.with_label_values(&[mode.as_str()]);
        }
        Ok(Self {
            transitions,
            cache_errors: IntCounter::new(
                "kverse_cache_errors_total",
                "Calls of the shared cache that failed",
            )?,
            lost_finishes: IntCounter::new(
                "kverse_cache_lost_finishes_total",
                "Writes whose end the shared cache was not told",
            )?,
            writes_refused: IntCounter::new(
                "kverse_cache_writes_refused_total",
                "Writes refused because reads could have been stale",
            )?,
        })
    }

    pub(super) fn transition(&self, mode: Mode) {
        self.transitions.with_label_values(&[mode.as_str()]).inc();
    }
}

impl Shared {
    /// A check of the cache takes no longer.
    const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

    pub(super) fn status(&self) -> ReplicaStatus {
        let known = self.view.known();
        let age = known.as_ref().map(|known| known.asked_at.elapsed());
        let valid = age.is_some_and(|age| age < self.timing.lease);
        ReplicaStatus {
            mode: known
                .as_ref()
                .filter(|_| valid)
                .map(|known| known.state.mode),
            epoch: known.as_ref().map_or(0, |known| known.state.epoch),
            revision: known.as_ref().map_or(0, |known| known.state.revision),
            lease_age: age,
            reachable: !self.breaker.is_open(),
            hits: self.view.hits(Instant::now()).is_some() && !self.breaker.is_open(),
            unfit: self.diagnosis.unfit(),
            last_error: self.diagnosis.last_error(),
        }
    }

    /// Asks the cache.
    pub(super) async fn check(&self) -> ComponentHealth {
        let began = Instant::now();
        let asked = timeout(Self::CHECK_TIMEOUT, self.cache.run_id()).await;
        let status = self.status();
        let unavailable = |what: &str| {
            let message = format!("the shared cache {what}: reads go to the database");
            Error::new(ErrorKind::Unavailable, message)
        };
        let answer = match (asked, &status.unfit) {
            (Ok(Ok(_)), None) => Ok(()),
            (Ok(Ok(_)), Some(why)) => Err(unavailable(why)),
            (Ok(Err(error)), _) => Err(unavailable("does not answer").with_source(error)),
            (Err(elapsed), _) => Err(unavailable("does not answer in time").with_source(elapsed)),
        };
        let mode = status.mode.map_or("unknown", Mode::as_str);
        let read = status.lease_age.map_or_else(
            || "never read".to_owned(),
            |age| format!("read {} ms ago", age.as_millis()),
        );
        let failed = status.last_error.map_or_else(String::new, |(age, error)| {
            format!(", last error {} s ago: {error}", age.as_secs())
        });
        let detail = format!("mode {mode}, epoch {}, {read}{failed}", status.epoch);
        ComponentHealth::new("cache", answer, began.elapsed())
            .with_required(false)
            .with_detail(detail)
    }
}

/// Has the metrics of a replica in the registry.
pub(super) fn register(shared: &Arc<Shared>, registry: &Registry) -> Result<()> {
    let counters = &shared.counters;
    registry.register(Box::new(counters.transitions.clone()))?;
    registry.register(Box::new(counters.cache_errors.clone()))?;
    registry.register(Box::new(counters.lost_finishes.clone()))?;
    registry.register(Box::new(counters.writes_refused.clone()))?;
    let mode = Opts::new("kverse_cache_mode", "1 for the mode that the cache is in");
    registry.register(Box::new(Gauges {
        shared: Arc::downgrade(shared),
        mode: IntGaugeVec::new(mode, &["mode"])?,
        epoch: IntGauge::new("kverse_cache_epoch", "The epoch of the shared cache")?,
        lease_age: Gauge::new(
            "kverse_cache_lease_age_seconds",
            "How long ago the register was read; -1 if never",
        )?,
        reachable: IntGauge::new("kverse_cache_reachable", "Whether the shared cache answers")?,
        clock_offset: Gauge::new(
            "kverse_cache_clock_offset_seconds",
            "How far the clock of the shared cache is off that of the database; -1 if it was never read",
        )?,
    }))?;
    Ok(())
}

/// Gauges that are set when they are asked for.
struct Gauges {
    shared: Weak<Shared>,
    mode: IntGaugeVec,
    epoch: IntGauge,
    lease_age: Gauge,
    reachable: IntGauge,
    clock_offset: Gauge,
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        let gauges: [Vec<&Desc>; 5] = [
            self.mode.desc(),
            self.epoch.desc(),
            self.lease_age.desc(),
            self.reachable.desc(),
            self.clock_offset.desc(),
        ];
        gauges.into_iter().flatten().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(shared) = self.shared.upgrade() else {
            return Vec::new();
        };
        let status = shared.status();
        for mode in [Some(Mode::On), Some(Mode::Warming), Some(Mode::Off), None] {
            let label = mode.map_or("unknown", Mode::as_str);
            let gauge = self.mode.with_label_values(&[label]);
            gauge.set(i64::from(status.mode == mode));
        }
        self.epoch
            .set(i64::try_from(status.epoch).unwrap_or(i64::MAX));
        let age = status.lease_age.map_or(-1.0, |age| age.as_secs_f64());
        self.lease_age.set(age);
        self.reachable.set(i64::from(status.reachable));
        let offset = shared.diagnosis.clock_offset();
        self.clock_offset
            .set(offset.map_or(-1.0, |offset| offset.as_secs_f64()));
        let gauges: [Vec<MetricFamily>; 5] = [
            self.mode.collect(),
            self.epoch.collect(),
            self.lease_age.collect(),
            self.reachable.collect(),
            self.clock_offset.collect(),
        ];
        gauges.into_iter().flatten().collect()
    }
}
