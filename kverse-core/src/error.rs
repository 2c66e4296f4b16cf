//! What can go wrong, as one type whose kind decides everything that follows from it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::Version;

/// The result of a store operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an [`Error`]. It decides the HTTP status, the exit code of the command line and whether a retry makes
/// sense. A missing key is not an error: it is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input is malformed: an empty key, a NUL in a key, a reversed range.
    InvalidInput,
    /// The caller's input is over a limit; [`Error::limit`] and [`Error::actual`] give the numbers.
    TooLarge,
    /// The precondition of a write does not hold; [`Error::current_version`] is what the key has now.
    PreconditionFailed,
    /// An operation of a transaction cannot be done, so none was; [`Error::operation`] is its index.
    Conflict,
    /// The store does not know who asks: there is no token, or not a valid one.
    Unauthenticated,
    /// Who asks may not do this.
    Forbidden,
    /// The store cannot serve now; nothing was stored by this operation.
    Unavailable,
    /// The disk, or the quota of the store, is full; nothing was stored by this operation.
    StorageFull,
    /// No answer in time: a write may or may not have been stored.
    Timeout,
    /// What was asked to go on from is no longer kept, or never was: a position in the feed of changes.
    Gone,
    /// This store cannot do this at all.
    Unsupported,
    /// Stored data cannot be read back as what was written.
    Corrupt,
    /// A defect in KVerse or its environment.
    Internal,
}

impl ErrorKind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::InvalidInput,
        Self::TooLarge,
        Self::PreconditionFailed,
        Self::Conflict,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Unavailable,
        Self::StorageFull,
        Self::Timeout,
        Self::Gone,
        Self::Unsupported,
        Self::Corrupt,
        Self::Internal,
    ];

    /// The stable name of the kind, as in the `code` of a problem body and in metric labels.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid_input",
            Self::TooLarge => "too_large",
            Self::PreconditionFailed => "precondition_failed",
            Self::Conflict => "conflict",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Unavailable => "unavailable",
            Self::StorageFull => "storage_full",
            Self::Timeout => "timeout",
            Self::Gone => "gone",
            Self::Unsupported => "unsupported",
            Self::Corrupt => "corrupt",
            Self::Internal => "internal",
        }
    }

    /// The kind with this [`code`](Self::code), if there is one.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// An error of a store. Cheap to clone, because one failed batch answers many callers.
///
/// `Display` is the message for the caller; the cause, for the log, is in [`source`](StdError::source).
#[derive(Clone)]
pub struct Error(Arc<Repr>);

#[derive(Clone, Debug)]
struct Repr {
    kind: ErrorKind,
    message: String,
    limit: Option<u64>,
    actual: Option<u64>,
    current_version: Option<Version>,
    operation: Option<usize>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind with a message for the caller: what is wrong, and what to do about it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Repr {
            kind,
            message: message.into(),
            limit: None,
            actual: None,
            current_version: None,
            operation: None,
            source: None,
        }))
    }

    /// Malformed input.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// Input over a limit: `what` has `actual` `unit`, `limit` are allowed.
    pub fn too_large(what: &str, unit: &str, limit: usize, actual: usize) -> Self {
        Self::new(
            ErrorKind::TooLarge,
            format!("the {what} has {actual} {unit}, the limit is {limit}"),
        )
        .with_limit(limit as u64, actual as u64)
    }

    /// A precondition that does not hold; `current` is the version that the key has now, `None` if it is absent.
    pub fn precondition_failed(current: Option<Version>) -> Self {
        let message = match current {
            Some(version) => format!("the precondition failed: the current version is {version}"),
            None => "the precondition failed: the key does not exist".to_owned(),
        };
        Self::new(ErrorKind::PreconditionFailed, message).with_current_version(current)
    }

    /// The same error with the limit and the actual value.
    #[must_use]
    pub fn with_limit(self, limit: u64, actual: u64) -> Self {
        self.edit(|repr| (repr.limit, repr.actual) = (Some(limit), Some(actual)))
    }

    /// The same error with the version that the key has now.
    #[must_use]
    pub fn with_current_version(self, current: Option<Version>) -> Self {
        self.edit(|repr| repr.current_version = current)
    }

    /// The same error with the index of the operation of a batch or transaction that it belongs to.
    #[must_use]
    pub fn with_operation(self, index: usize) -> Self {
        self.edit(|repr| repr.operation = Some(index))
    }

    /// The same error, whose message begins with where it happened.
    #[must_use]
    pub fn with_context(self, context: &str) -> Self {
        self.edit(|repr| repr.message = format!("{context}: {}", repr.message))
    }

    /// The same error with its cause.
    #[must_use]
    pub fn with_source(self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source: Box<dyn StdError + Send + Sync> = source.into();
        self.edit(|repr| repr.source = Some(Arc::from(source)))
    }

    /// The same error as another kind, for a wrapper that knows better.
    #[must_use]
    pub fn with_kind(self, kind: ErrorKind) -> Self {
        self.edit(|repr| repr.kind = kind)
    }

    fn edit(mut self, change: impl FnOnce(&mut Repr)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The kind, which decides what follows from the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message for the caller.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The limit that was exceeded.
    pub fn limit(&self) -> Option<u64> {
        self.0.limit
    }

    /// The value that exceeded the limit.
    pub fn actual(&self) -> Option<u64> {
        self.0.actual
    }

    /// For a failed precondition: the version of the key, `None` if it does not exist.
    pub fn current_version(&self) -> Option<Version> {
        self.0.current_version
    }

    /// The index of the operation of a batch or transaction that failed.
    pub fn operation(&self) -> Option<usize> {
        self.0.operation
    }

    /// Whether the same operation may succeed later without any change: the store was unavailable, full, or did not
    /// answer in time. After a `Timeout` a write may already be stored: retry it with the same
    /// [`WriteId`](crate::WriteId).
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind(),
            ErrorKind::Unavailable | ErrorKind::StorageFull | ErrorKind::Timeout
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_kind_are_one_to_one() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(kind));
        }
    }

    #[test]
    fn too_large_names_limit_and_actual() {
        let error = Error::too_large("key", "bytes", 1024, 1025);
        assert_eq!(
            error.to_string(),
            "the key has 1025 bytes, the limit is 1024"
        );
        assert_eq!((error.limit(), error.actual()), (Some(1024), Some(1025)));
    }

    #[test]
    fn the_source_is_kept() {
        let error = Error::new(ErrorKind::Internal, "x").with_source(std::io::Error::other("disk"));
        assert_eq!(error.source().unwrap().to_string(), "disk");
    }
}
