//! The longest wait of a wrapper.

use std::time::Duration;

use tokio::time::timeout;

use crate::{Error, ErrorKind, Result};

/// How long a wrapper waits for what runs in a task of its own. A store answers in milliseconds; this ends the wait for a
/// disk that hangs.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Waits for an answer within the time limit. What it comes from goes on without the caller.
///
/// # Errors
/// `Timeout` if there is none by then; else those of the answer.
pub(crate) async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(ANSWER_WAIT, answer).await.unwrap_or_else(|error| {
        let message = format!(
            "the store did not answer within {} s: a write may or may not be stored",
            ANSWER_WAIT.as_secs()
        );
        Err(Error::new(ErrorKind::Timeout, message).with_source(error))
    })
}
