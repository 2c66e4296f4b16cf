//! Ctrl-C, for commands that have something to say about how far they got.

use crate::exit::{Exit, Failure};

/// Waits for Ctrl-C; from the first call on, it does not end the process by itself.
pub(crate) async fn requested() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Then it ends the process as it always did.
        std::future::pending().await
    }
}

/// The end of a command that was interrupted.
pub(crate) fn failure() -> Failure {
    Failure::Failed(Exit::Interrupted, "interrupted".to_owned())
}
