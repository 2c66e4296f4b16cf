//! Until when the backend may apply a write.

use tokio::time::Instant;

tokio::task_local! {
    static FENCE: Instant;
}

/// The moment after which the backend must not begin to apply the write that is being done, as the cache in front of it
/// requires; `None` if it may take as long as it likes. For backends that others write too: asked for within
/// [`KvStore::write`](crate::KvStore::write) and [`transact`](crate::KvStore::transact), before they hand over to other
/// tasks.
///
/// To make it a time of another clock, read that clock first: then a pause between the two only brings it forward.
pub fn write_fence() -> Option<Instant> {
    FENCE.try_get().ok()
}

/// Does a write that the backend must not begin to apply after `fence`. The fence goes with the task: a store that hands
/// the write to a task of its own must hand it over.
pub async fn with_write_fence<T>(fence: Instant, write: impl Future<Output = T>) -> T {
    FENCE.scope(fence, write).await
}
