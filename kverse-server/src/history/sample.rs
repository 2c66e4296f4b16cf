//! What happened in an interval.

use kverse_core::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

/// What a server did in one interval.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = HistorySample)]
pub(crate) struct Sample {
    /// When the interval ended.
    pub(crate) at: Timestamp,
    /// Answered requests.
    pub(crate) requests: u64,
    /// Those of them with a status of 500 and above.
    pub(crate) errors: u64,
    /// Those with a status from 400 to 499.
    pub(crate) rejected: u64,
    /// How long half of the requests took at most, in milliseconds; `null` without requests. Here as in the other
    /// percentiles, requests to `/watch` do not count: they wait on purpose.
    #[schema(required)]
    pub(crate) p50_ms: Option<f64>,
    /// How long 95 % took at most.
    #[schema(required)]
    pub(crate) p95_ms: Option<f64>,
    /// How long 99 % took at most.
    #[schema(required)]
    pub(crate) p99_ms: Option<f64>,
    /// Keys read from the cache.
    pub(crate) cache_hits: u64,
    /// Keys that the cache was asked for and the database answered.
    pub(crate) cache_misses: u64,
    /// Keys that exist; `null` if they were not counted: that is done only while somebody asks for this.
    #[schema(required)]
    pub(crate) items: Option<u64>,
    /// Requests that were being answered at the end.
    pub(crate) in_flight: u64,
    /// Connections that were open at the end.
    pub(crate) connections: u64,
}

/// What the cache of a store does: `on`, `warming`, `off` and `unknown` are those of a cache that several servers share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CacheMode {
    /// There is none: every read goes to the database.
    #[default]
    None,
    /// In this process, which is the only one that writes the database.
    Local,
    /// Shared, and serving reads.
    On,
    /// Shared, and about to serve reads: none is served from it yet.
    Warming,
    /// Shared, and not used by any server for now: reads go to the database.
    Off,
    /// Shared, but what the servers have agreed on is not known here: reads go to the database.
    Unknown,
}
