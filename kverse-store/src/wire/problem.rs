//! Errors.

use kverse_core::{Error, ErrorKind, Version};
use serde::{Deserialize, Serialize};

use super::ImportReport;

/// A problem body: RFC 9457, `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// What kind of problem it is; `about:blank`, because `code` says it.
    #[serde(rename = "type")]
    pub problem_type: String,
    /// The reason phrase of the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, for a person.
    pub detail: String,
    /// What is wrong, for a program: [`ErrorKind::code`], or the code of a problem that only HTTP has.
    pub code: String,
    /// The limit that was exceeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The value that exceeded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<u64>,
    /// After a failed precondition: the version of the key, if it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_version: Option<Version>,
    /// The index of the operation that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<usize>,
    /// What an import had done before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportReport>,
}

impl Problem {
    /// The body of an error that is answered with `status` and `title`.
    pub fn new(error: &Error, status: u16, title: &str) -> Self {
        Self {
            problem_type: "about:blank".to_owned(),
            title: title.to_owned(),
            status,
            detail: error.message().to_owned(),
            code: error.kind().code().to_owned(),
            limit: error.limit(),
            actual: error.actual(),
            current_version: error.current_version(),
            operation: error.operation(),
            import: None,
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let kind = ErrorKind::from_code(&problem.code).unwrap_or(match problem.status {
            410 => ErrorKind::Gone,
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::Forbidden,
            // Too many requests: nothing was done, and later it will be.
            429 => ErrorKind::Unavailable,
            400..500 => ErrorKind::InvalidInput,
            503 => ErrorKind::Unavailable,
            504 => ErrorKind::Timeout,
            _ => ErrorKind::Internal,
        });
        let mut error =
            Self::new(kind, problem.detail).with_current_version(problem.current_version);
        if let (Some(limit), Some(actual)) = (problem.limit, problem.actual) {
            error = error.with_limit(limit, actual);
        }
        if let Some(operation) = problem.operation {
            error = error.with_operation(operation);
        }
        error
    }
}
