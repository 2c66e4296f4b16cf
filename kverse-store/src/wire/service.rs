//! The state of the service.

use kverse_core::Timestamp;
use serde::{Deserialize, Serialize};

/// The answer of `GET /stats`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatsResponse {
    /// Keys that exist.
    pub items: u64,
    /// When they were counted.
    pub as_of: Timestamp,
}

/// The answer of `GET /readyz?verbose`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadyResponse {
    /// `ok` or `unavailable`.
    pub status: String,
    /// The checks by name.
    pub checks: Vec<CheckResponse>,
}

/// One check of `GET /readyz?verbose`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckResponse {
    /// What was checked.
    pub name: String,
    /// `ok` or `unavailable`.
    pub status: String,
    /// What is wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How long the check took, in milliseconds.
    pub duration_ms: f64,
}
