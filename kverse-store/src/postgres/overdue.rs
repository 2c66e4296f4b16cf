//! Commits that were not answered in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel_async::SimpleAsyncConnection;
use kverse_core::{Error, ErrorKind};
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::session::Session;

/// The connections whose commit was given up here while the server is still at it. A primary whose standbys are gone finishes
/// no commit, and keeps the session of each although its client has gone: closing these connections and opening others would
/// take up all that the server can have.
#[derive(Clone, Debug)]
pub(super) struct Overdue {
    count: Arc<AtomicUsize>,
    runtime: Handle,
}

impl Overdue {
    /// As long as there are so many, nothing is written.
    const MANY: usize = 4;

    pub(super) fn new(runtime: Handle) -> Self {
        Self {
            count: Arc::default(),
            runtime,
        }
    }

    /// Who is refused and tries again at once must not keep others from getting on.
    const PAUSE: Duration = Duration::from_millis(20);

    /// Refuses a write if there are too many.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn check(&self) -> Result<(), Error> {
        let count = self.count.load(Ordering::SeqCst);
        if count < Self::MANY {
            return Ok(());
        }
        sleep(Self::PAUSE).await;
        let message = format!(
            "the database does not finish what it stores: {count} earlier commits are still under way (does it wait for a \
             standby?)"
        );
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    /// Keeps the connection until what is under way is over.
    pub(super) fn wait_for(self, session: Session) {
        self.runtime.spawn(end(session, Counted::new(self.count)));
    }
}

async fn end(mut session: Session, counted: Counted) {
    // Answered after everything before, or the connection ends.
    let _ = session.connection.batch_execute("SELECT 1").await;
    drop(counted);
}

/// One of them.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
