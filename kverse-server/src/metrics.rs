//! The metrics of the HTTP side.

use std::cell::RefCell;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    Result,
};

/// From 0.1 ms, about the fastest answer over a socket, to the longest that clients wait.
const DURATION_BUCKETS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// The failures of a route are counted from zero on: a counter that begins at one does not show the first as a change.
const FAILURES: [&str; 3] = ["500", "503", "504"];

/// What the metrics of the routes are called.
pub(crate) mod names {
    pub(crate) const REQUESTS: &str = "kverse_http_requests_total";
    pub(crate) const DURATIONS: &str = "kverse_http_request_duration_seconds";
    pub(crate) const IN_FLIGHT: &str = "kverse_http_requests_in_flight";
    pub(crate) const CONNECTIONS: &str = "kverse_http_connections";
}

/// A registry with what is true of the process: its version and, where Linux tells, what it uses.
pub(crate) fn registry() -> Result<Registry> {
    let registry = Registry::new();
    #[cfg(target_os = "linux")]
    registry.register(Box::new(ProcessCollector::for_self()))?;
    let build = Opts::new("kverse_build_info", "The version that runs; always 1.")
        .const_label("version", env!("CARGO_PKG_VERSION"));
    let build = IntGauge::with_opts(build)?;
    build.set(1);
    registry.register(Box::new(build))?;
    Ok(registry)
}

/// A limit, for comparison with what is limited.
pub(crate) fn limit(registry: &Registry, name: &str, help: &str, limit: usize) -> Result<()> {
    let gauge = IntGauge::new(name, help)?;
    gauge.set(i64::try_from(limit).unwrap_or(i64::MAX));
    registry.register(Box::new(gauge))
}

/// The metrics of all routes.
#[derive(Clone, Debug)]
pub(crate) struct HttpMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    /// Requests that are being answered.
    pub(crate) in_flight: IntGauge,
    /// Open connections.
    pub(crate) connections: IntGauge,
}

impl HttpMetrics {
    pub(crate) fn new(registry: &Registry, max_connections: usize) -> Result<Self> {
        let requests = Opts::new(names::REQUESTS, "Answered requests.");
        let durations = HistogramOpts::new(
            names::DURATIONS,
            "From the head of a request to the head of its answer.",
        )
        .buckets(DURATION_BUCKETS.to_vec());
        let metrics = Self {
            requests: IntCounterVec::new(requests, &["route", "method", "status"])?,
            durations: HistogramVec::new(durations, &["route", "method"])?,
            in_flight: IntGauge::new(names::IN_FLIGHT, "Requests that are being answered.")?,
            connections: IntGauge::new(names::CONNECTIONS, "Open connections.")?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.durations.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.connections.clone()))?;
        limit(
            registry,
            "kverse_http_connections_limit",
            "Most open connections; more wait until one is closed.",
            max_connections,
        )?;
        Ok(metrics)
    }

    /// The metrics of one route, for the worker that calls this.
    pub(crate) fn route(&self, route: &'static str) -> RouteMetrics {
        RouteMetrics {
            http: self.clone(),
            route,
            series: RefCell::default(),
        }
    }
}

/// The metrics of one route in one worker. It keeps the handles, because looking them up by their labels costs more than
/// all the rest.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    http: HttpMetrics,
    /// The route's pattern, or `unmatched`.
    pub(crate) route: &'static str,
    series: RefCell<Vec<Series>>,
}

#[derive(Debug)]
struct Series {
    method: &'static str,
    status: StatusCode,
    requests: IntCounter,
    duration: Histogram,
}

impl RouteMetrics {
    /// Counts an answered request.
    pub(crate) fn observe(&self, method: &Method, status: StatusCode, elapsed: Duration) {
        let method = method_label(method);
        let mut series = self.series.borrow_mut();
        let found = series
            .iter()
            .position(|one| one.status == status && one.method == method);
        let index = found.unwrap_or_else(|| {
            series.push(self.series(method, status));
            series.len() - 1
        });
        series[index].requests.inc();
        series[index].duration.observe(elapsed.as_secs_f64());
    }

    fn series(&self, method: &'static str, status: StatusCode) -> Series {
        let requests = &self.http.requests;
        for failure in FAILURES {
            requests.with_label_values(&[self.route, method, failure]);
        }
        Series {
            method,
            status,
            requests: requests.with_label_values(&[self.route, method, status.as_str()]),
            duration: self.http.durations.with_label_values(&[self.route, method]),
        }
    }
}

/// A client can send any method, but must not make any number of series.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Counts one thing in a gauge for as long as it lives.
#[derive(Debug)]
pub(crate) struct InProgress(IntGauge);

impl InProgress {
    pub(crate) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.dec();
    }
}
