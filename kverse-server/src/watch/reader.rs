//! The one who reads the feed for all.

use std::sync::Arc;
use std::time::Duration;

use kverse_core::{ChangePage, ChangePosition, ChangesOptions, ErrorKind, KvStore, Prefix, Result};
use tokio::time::{sleep, timeout};

use super::hub::Hub;

/// How often what other servers have written is looked for; what this one has written wakes.
const POLL: Duration = Duration::from_millis(100);
/// The pause after each read, so that many writes a second do not mean as many reads.
const REST: Duration = Duration::from_millis(5);
/// Changes on a page.
const PAGE: usize = 500;
/// The first pause after a read that failed; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Reads the feed of the store for the watchers of the hub, for ever; while nobody watches it waits.
pub(crate) async fn read(hub: Arc<Hub>, store: Arc<dyn KvStore>) {
    loop {
        hub.until_watched().await;
        let position = page(&*store, None).await;
        // Without a position it was not asked for one, so it cannot be gone.
        if let Ok(ChangePage { position, .. }) = position {
            hub.open(position);
            follow(&hub, &*store, position).await;
        }
        if hub.is_closed() {
            return;
        }
        sleep(REST).await;
    }
}

/// Follows the feed until nobody watches any more, or the position is gone.
async fn follow(hub: &Hub, store: &dyn KvStore, mut position: ChangePosition) {
    while !hub.rest() {
        match page(store, Some(position)).await {
            Ok(page) => {
                let more = page.more;
                position = page.position;
                hub.publish(page);
                sleep(REST).await;
                if !more {
                    // Either way it is time to read again.
                    let _ = timeout(POLL, hub.news()).await;
                }
            }
            Err(error) => {
                tracing::error!(%error, "the feed of changes cannot be read on: all watches end");
                return hub.lose(error);
            }
        }
    }
}

/// The next page, or for none, the present position. Tries again for as long as it takes: the watchers are told nothing
/// rather than something wrong.
///
/// # Errors
/// `Gone`.
async fn page(store: &dyn KvStore, since: Option<ChangePosition>) -> Result<ChangePage> {
    let options = ChangesOptions::new(Prefix::default())
        .with_since(since)
        .with_limit(PAGE);
    let mut pause = FIRST_PAUSE;
    let mut failed = false;
    loop {
        let error = match store.changes(options.clone()).await {
            Ok(page) => {
                if failed {
                    tracing::info!("the feed of changes can be read again");
                }
                return Ok(page);
            }
            Err(error) if error.kind() == ErrorKind::Gone => return Err(error),
            Err(error) => error,
        };
        if !failed {
            tracing::warn!(
                %error,
                "the feed of changes cannot be read: watchers wait until it can"
            );
        }
        failed = true;
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
