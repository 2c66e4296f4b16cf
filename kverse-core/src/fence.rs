//! The deadline of a write: what keeps a writer that was held up from writing after others stopped waiting for it.

use std::future::Future;
use std::time::Instant;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Runs a write that must not be stored after `deadline`. Backends with a fence, such as PostgreSQL, refuse it then, even
/// if this process was paused in between; others ignore the deadline.
///
/// The deadline goes with the task: a store that hands the write to a task of its own must hand it over.
pub async fn with_deadline<F: Future>(deadline: Instant, write: F) -> F::Output {
    DEADLINE.scope(deadline, write).await
}

/// The deadline of the write that this task does; `None` if it has none.
pub fn deadline() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}
