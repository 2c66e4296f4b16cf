//! Waiting for a store that starts at the same time.

use std::time::Duration;

use kverse_core::{ErrorKind, Result};
use tokio::time::{Instant, sleep};

use super::Opened;
use crate::StoreConfig;

/// The first pause between attempts; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Opens the store; again and again while it is `Unavailable` and there is time.
pub(super) async fn open(config: &StoreConfig) -> Result<Opened> {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match super::open_once(config).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => error,
            result => return result,
        };
        let left = config.start_timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(error);
        }
        tracing::warn!(%error, left_s = left.as_secs(), "the store is not available yet");
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
