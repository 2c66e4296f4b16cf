//! What a failed request means for the operation behind it.

use std::error::Error as StdError;

use kverse_core::{Error, ErrorKind};
use reqwest::StatusCode;

use crate::wire::Problem;

/// Whether a request may have changed something although its answer is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Reads,
    Writes,
}

impl Effect {
    /// The error of an answer that is missing for this reason.
    pub(super) fn no_answer(self, kind_of_read: ErrorKind, reason: &str) -> Error {
        match self {
            Self::Reads => Error::new(kind_of_read, reason),
            Self::Writes => Error::new(
                ErrorKind::Timeout,
                format!("{reason}; a write may or may not have been stored"),
            ),
        }
    }
}

/// The error of a request that got no answer, or only a part of one.
pub(super) fn from_transport(error: reqwest::Error, effect: Effect) -> Error {
    // The URL may hold a password, and the caller knows it.
    let error = error.without_url();
    let cause = innermost(&error);
    if error.is_connect() {
        // Nothing was sent.
        Error::new(
            ErrorKind::Unavailable,
            format!("cannot connect to the server: {cause}"),
        )
    } else if error.is_timeout() {
        effect.no_answer(ErrorKind::Timeout, "the server did not answer in time")
    } else {
        let reason = format!("the connection to the server broke: {cause}");
        effect.no_answer(ErrorKind::Unavailable, &reason)
    }
    .with_source(error)
}

/// The error of an answer that is not a success.
pub(super) fn from_answer(status: StatusCode, body: &[u8], effect: Effect) -> Error {
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return problem.into();
    }
    // Not KVerse's own answer: a proxy's, or another server's.
    let reason = format!("the server answered {status}, and not as a KVerse server does");
    match status.as_u16() {
        502 | 504 => effect.no_answer(ErrorKind::Unavailable, &reason),
        503 => Error::new(ErrorKind::Unavailable, reason),
        401 => Error::new(ErrorKind::Unauthenticated, reason),
        403 => Error::new(ErrorKind::Forbidden, reason),
        413 => Error::new(ErrorKind::TooLarge, reason),
        _ => Error::new(ErrorKind::Internal, reason),
    }
}

/// The error of an answer that says success but cannot be understood.
pub(super) fn malformed(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let message = "the server's answer cannot be understood: is it a KVerse server?";
    Error::new(ErrorKind::Internal, message).with_source(error)
}

/// The last cause, which says most: `Connection refused` rather than `error sending request`.
fn innermost(mut error: &dyn StdError) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use kverse_core::Version;

    use super::*;

    #[test]
    fn a_problem_keeps_kind_and_numbers() {
        let sent = Error::precondition_failed(Some(Version::new(7))).in_transaction(2);
        let body = serde_json::to_vec(&Problem::new(&sent, 409, "Conflict")).unwrap();
        let error = from_answer(StatusCode::CONFLICT, &body, Effect::Writes);
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.operation(), Some(2));
        assert_eq!(error.current_version(), Some(Version::new(7)));
    }

    #[test]
    fn a_gateway_that_lost_the_server_leaves_a_write_unknown() {
        let kind = |status, effect| from_answer(status, b"<html>", effect).kind();
        for status in [StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT] {
            assert_eq!(kind(status, Effect::Writes), ErrorKind::Timeout);
            assert_eq!(kind(status, Effect::Reads), ErrorKind::Unavailable);
        }
        let refused = kind(StatusCode::SERVICE_UNAVAILABLE, Effect::Writes);
        assert_eq!(refused, ErrorKind::Unavailable);
        assert_eq!(
            kind(StatusCode::NOT_FOUND, Effect::Reads),
            ErrorKind::Internal
        );
    }
}
