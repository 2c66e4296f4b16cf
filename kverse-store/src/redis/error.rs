//! What a failed command means.

use kverse_core::cached::CacheError;
use redis::{ErrorKind, RedisError};

/// The error of a command.
pub(super) fn from_redis(error: &RedisError) -> CacheError {
    match error.code() {
        Some("NOEPOCH") => CacheError::NoEpoch,
        Some("RESTARTED") => CacheError::Restarted,
        // Never followed: the keys are not, or not all, where the epoch was opened.
        Some("MOVED" | "ASK" | "TRYAGAIN") => CacheError::Restarted,
        // The server is there but not ready: it loads its data, a script runs for seconds, or most of its cluster is gone.
        Some("LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN") => {
            CacheError::Unreachable(error.to_string())
        }
        _ if is_broken(error) => CacheError::Unreachable(error.to_string()),
        _ => CacheError::Failed(error.to_string()),
    }
}

/// Whether the connection must not be used again. After a time-out it may be a link that was cut without notice.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
}

/// The label of each error in the metrics.
pub(super) const LABELS: [&str; 5] = ["no_epoch", "restarted", "unreachable", "unfit", "failed"];

/// The label of an error in the metrics.
pub(super) fn label(error: &CacheError) -> &'static str {
    match error {
        CacheError::NoEpoch => "no_epoch",
        CacheError::Restarted => "restarted",
        CacheError::Unreachable(_) => "unreachable",
        CacheError::Unfit(_) => "unfit",
        _ => "failed",
    }
}
