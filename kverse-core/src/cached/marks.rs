//! The marks that writes stand behind.

use std::pin::pin;
use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::cache::{Cache, Finish, Mark};
use super::fence::with_write_fence;
use crate::{Error, ErrorKind, Key, Result};

/// So often a write is marked again whose mark was about to lapse before it reached the backend.
const MARKS: usize = 3;

/// Marks keys, with enough time left to write them.
pub(super) async fn mark(cache: &Arc<dyn Cache>, keys: &[Key]) -> Result<Mark> {
    for _ in 0..MARKS {
        let mark = cache.mark(keys).await?;
        if mark
            .window
            .is_none_or(|window| Instant::now() < window.start_by)
        {
            return Ok(mark);
        }
        let not_done = keys.iter().map(|key| (key.clone(), Finish::NotDone));
        cache.finish(mark, not_done.collect()).await;
    }
    let message = "the cache is too slow to write through it";
    Err(Error::new(ErrorKind::Unavailable, message))
}

/// Does a write of keys behind its mark, and keeps the mark standing for as long as it takes.
pub(super) async fn behind<T>(
    cache: &Arc<dyn Cache>,
    mark: &Mark,
    keys: &[Key],
    write: impl Future<Output = T>,
) -> T {
    let Some(window) = mark.window else {
        return write.await;
    };
    let mut write = pin!(with_write_fence(window.fence, write));
    loop {
        match timeout(window.renew_every, &mut write).await {
            Ok(result) => return result,
            Err(_elapsed) => cache.renew(mark, keys).await,
        }
    }
}
