//! What clients and operators are told when something goes wrong.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use kverse_core::{Error, ErrorKind};
use kverse_store::tokens::Verb;
use kverse_store::wire::{ImportReport, Problem};

/// The media type of a problem body.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// How many seconds a client is asked to wait before it tries again.
const RETRY_AFTER: &str = "1";

/// What keeps the server from starting or running.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error("cannot open the store: {0}")]
    Store(#[from] Error),
    /// Logging cannot be set up.
    #[error("cannot set up logging: {0}")]
    Telemetry(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file with a certificate or its key cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The certificate and the key cannot be used together.
    #[error("cannot serve HTTPS with this certificate and key: {0}")]
    Tls(#[source] rustls::Error),
    /// A metric cannot be registered.
    #[error("cannot register the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The server cannot run.
    #[error("the server failed: {0}")]
    Io(#[from] io::Error),
}

impl StartError {
    /// The exit status of the process: 2 if the settings must be changed first, 6 if the store could not be reached, so that
    /// it may help to try again, 1 otherwise.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Store(error) => match error.kind() {
                ErrorKind::InvalidInput | ErrorKind::Unsupported => 2,
                ErrorKind::Unavailable | ErrorKind::Timeout => 6,
                _ => 1,
            },
            Self::TlsFile { .. } | Self::Tls(_) => 2,
            _ => 1,
        }
    }

    pub(crate) fn telemetry(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Telemetry(Box::new(error))
    }
}

/// THE table: the status of a kind of error.
pub(crate) const fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidInput => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::StorageFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Gone => StatusCode::GONE,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        // Corrupt, Internal, and what is yet to come.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The problem body of a store's error.
pub(crate) fn problem(error: &Error) -> Problem {
    let status = status(error.kind());
    Problem::new(error, status.as_u16(), title(status))
}

fn title(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Error")
}

/// Why a request cannot be answered as asked: an error of the store, or one that only HTTP has.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    code: &'static str,
    error: Error,
    header: Option<Box<(HeaderName, HeaderValue)>>,
    import: Option<Box<ImportReport>>,
}

impl Failure {
    fn http(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            error: Error::invalid_input(detail),
            header: None,
            import: None,
        }
    }

    fn with_header(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        // Ours are texts that a header can carry.
        let value = value.try_into().ok();
        self.header = value.map(|value| Box::new((name, value)));
        self
    }

    /// A refusal with a challenge (RFC 6750).
    fn challenge(status: StatusCode, code: &'static str, detail: &str, challenge: &str) -> Self {
        let challenge = format!("Bearer realm=\"kverse\"{challenge}");
        Self::http(status, code, detail).with_header(header::WWW_AUTHENTICATE, challenge)
    }

    /// 401: there is no token.
    pub(crate) fn no_token() -> Self {
        let detail = "an access token is needed: `Authorization: Bearer TOKEN`";
        Self::challenge(StatusCode::UNAUTHORIZED, "missing_token", detail, "")
    }

    /// 401: the token is not valid. Why not is nobody's business.
    pub(crate) fn invalid_token() -> Self {
        let detail = "the access token is not valid: unknown, revoked, or expired";
        let challenge = ", error=\"invalid_token\"";
        Self::challenge(StatusCode::UNAUTHORIZED, "invalid_token", detail, challenge)
    }

    /// 403: the token does not grant this here, whether there is anything here or not.
    pub(crate) fn forbidden(verb: Verb) -> Self {
        let code = match verb {
            Verb::Read => "forbidden_read",
            Verb::Write => "forbidden_write",
            Verb::Delete => "forbidden_delete",
            Verb::List => "forbidden_list",
            Verb::Watch => "forbidden_watch",
            Verb::Monitor => "forbidden_monitor",
            Verb::Admin => "forbidden_admin",
            _ => "forbidden",
        };
        let detail = format!("the access token does not grant `{verb}` here");
        let challenge = format!(", error=\"insufficient_scope\", scope=\"{verb}\"");
        Self::challenge(StatusCode::FORBIDDEN, code, &detail, &challenge)
    }

    /// 400: the token is not where it belongs.
    pub(crate) fn bad_credentials(code: &'static str, detail: &str) -> Self {
        let challenge = ", error=\"invalid_request\"";
        Self::challenge(StatusCode::BAD_REQUEST, code, detail, challenge)
    }

    /// 429: one more request than is allowed.
    pub(crate) fn too_many_requests(wait: Duration) -> Self {
        let seconds = wait.as_secs_f64().ceil().max(1.0);
        let detail = format!("too many requests: try again in {seconds} s");
        let status = StatusCode::TOO_MANY_REQUESTS;
        Self::http(status, "too_many_requests", detail)
            .with_header(header::RETRY_AFTER, seconds.to_string())
    }

    /// 404: there is no such token.
    pub(crate) fn token_not_found() -> Self {
        let detail = "there is no token with this id";
        Self::http(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// Whether it says that somebody may not do something.
    pub(crate) fn is_denial(&self) -> bool {
        matches!(
            self.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        )
    }

    /// 400: not even the syntax is right.
    pub(crate) fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::http(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 422: input that makes no sense.
    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Error::invalid_input(detail).into()
    }

    /// 404: the key does not exist.
    pub(crate) fn key_not_found() -> Self {
        Self::http(StatusCode::NOT_FOUND, "not_found", "the key does not exist")
    }

    /// 404: there is nothing at this path.
    pub(crate) fn route_not_found() -> Self {
        let detail = "there is nothing at this path";
        Self::http(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 405: this path knows other methods.
    pub(crate) fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("this path answers {allow}");
        Self::http(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
            .with_header(header::ALLOW, allow)
    }

    /// 408: the client took too long.
    pub(crate) fn request_timeout(detail: impl Into<String>) -> Self {
        Self::http(StatusCode::REQUEST_TIMEOUT, "request_timeout", detail)
    }

    /// 415: a body of another type is needed.
    pub(crate) fn unsupported_media_type(detail: impl Into<String>) -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::http(status, "unsupported_media_type", detail)
    }

    /// 503, as the last event of a watch: the client did not read what it was sent.
    pub(crate) fn slow_reader() -> Self {
        let detail = "too much was waiting for this client to read it: connect again, and resume";
        Self::http(StatusCode::SERVICE_UNAVAILABLE, "slow_reader", detail)
    }

    /// 426: the answer needs a way to end that is not taken for another.
    pub(crate) fn upgrade_required(detail: impl Into<String>) -> Self {
        Self::http(StatusCode::UPGRADE_REQUIRED, "upgrade_required", detail)
            .with_header(header::UPGRADE, "HTTP/1.1")
    }

    /// The same failure of an import that had done this before.
    pub(crate) fn of_import(mut self, report: ImportReport) -> Self {
        self.import = Some(Box::new(report));
        self
    }

    /// 500: a defect; the cause is for the log.
    pub(crate) fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Error::new(ErrorKind::Internal, "the answer cannot be made")
            .with_source(cause)
            .into()
    }

    /// The same because of this operation of a batch or transaction.
    pub(crate) fn with_operation(mut self, index: usize) -> Self {
        self.error = self.error.with_operation(index);
        self
    }

    /// The body of the answer.
    pub(crate) fn problem(&self) -> Problem {
        let mut problem = Problem::new(&self.error, self.status.as_u16(), title(self.status));
        self.code.clone_into(&mut problem.code);
        problem.import = self.import.as_deref().cloned();
        problem
    }

    /// The message with all its causes, for the log.
    pub(crate) fn causes(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        text
    }

    /// The code that the client sees.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            status: status(error.kind()),
            code: error.kind().code(),
            error,
            header: None,
            import: None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CONTENT_TYPE, PROBLEM_JSON));
        if let Some(header) = &self.header {
            response.insert_header((**header).clone());
        }
        if let Some(version) = self.error.current_version()
            && self.status == StatusCode::PRECONDITION_FAILED
        {
            response.insert_header((header::ETAG, format!("\"{version}\"")));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
        }
        response.json(self.problem())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status() {
        let statuses = ErrorKind::ALL.map(|kind| status(kind).as_u16());
        assert_eq!(
            statuses,
            [
                422, 413, 412, 409, 401, 403, 503, 507, 504, 410, 501, 500, 500
            ]
        );
    }

    #[test]
    fn who_is_turned_away_is_told_when_to_come_back() {
        let unavailable = Failure::from(Error::new(ErrorKind::Unavailable, "later"));
        let response = unavailable.error_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers().get(header::RETRY_AFTER).unwrap(), "1");
    }
}
