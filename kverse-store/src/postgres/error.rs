//! What can go wrong with PostgreSQL, and what it means to callers.

use std::time::Duration;

use deadpool::managed::PoolError;
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use kverse_core::{Error, ErrorKind};
use tokio_postgres::error::SqlState;

use crate::DatabaseUrl;
use crate::distrust::is_distrust;

/// An error of the database. [`From`] for [`Error`] is the one place that maps it.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostgresError {
    #[error(transparent)]
    Query(#[from] DieselError),
    #[error("no connection to the database")]
    Connect(#[source] tokio_postgres::Error),
    #[error("a new connection to the database cannot be used")]
    SetUp(#[source] diesel::ConnectionError),
    #[error("no connection to the database within {0:?}")]
    NoConnection(Duration),
    #[error("the server is a standby, or read-only: what is needed is the primary")]
    Standby,
    /// Of each server, why it cannot be used.
    #[error("no server of the database can be used: {}", of_each(.0))]
    Hosts(Vec<(String, Self)>),
    #[error("the task that connects ended")]
    Task(#[from] tokio::task::JoinError),
    /// What was asked may or may not be done.
    #[error("no answer from the database within {0:?}")]
    NoAnswer(Duration),
    /// The connection broke, and it cannot be found out whether the write was stored.
    #[error("the outcome of a write is unknown")]
    Unknown(#[source] Box<Self>),
    /// Somebody has cancelled the wait for a standby: it is done on this server, and may be lost with it.
    #[error("the commit was not waited for until a standby had it")]
    Unreplicated,
    /// With this error the server ended the connection: what became of the statement is unknown.
    #[error("the database ended the connection")]
    Ended(#[source] DieselError),
    #[error("the write came too late to be stored")]
    Fenced,
    #[error("the migration failed")]
    Migrate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An error that already says what it means.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<PoolError<Self>> for PostgresError {
    fn from(error: PoolError<Self>) -> Self {
        match error {
            PoolError::Backend(error) => error,
            other => {
                let message = "the pool of connections failed";
                Error::new(ErrorKind::Internal, message)
                    .with_source(other.to_string())
                    .into()
            }
        }
    }
}

impl PostgresError {
    /// Why none of the servers can be used.
    pub(super) fn of_hosts(mut failures: Vec<(String, Self)>) -> Self {
        match failures.pop() {
            Some((_, error)) if failures.is_empty() => error,
            last => Self::Hosts(failures.into_iter().chain(last).collect()),
        }
    }

    /// Whether it concerns all connections to the server: it does not answer, or nothing can be written there any more.
    pub(super) fn is_of_server(&self) -> bool {
        matches!(self, Self::NoAnswer(_)) || self.is_read_only()
    }

    /// Whether nothing can be written to the server: it may have been replaced by another.
    pub(super) fn is_read_only(&self) -> bool {
        matches!(
            self,
            Self::Query(DieselError::DatabaseError(
                DatabaseErrorKind::ReadOnlyTransaction,
                _
            ))
        )
    }

    /// Whether the database chose this transaction to give way to others: nothing of it is stored, it can be repeated.
    pub(super) fn is_collision(&self) -> bool {
        match self {
            Self::Query(DieselError::DatabaseError(kind, info)) => {
                matches!(kind, DatabaseErrorKind::SerializationFailure)
                    || info.message() == "deadlock detected"
            }
            _ => false,
        }
    }

    /// Whether the connection broke before the answer was there, so that nobody knows what became of the statement.
    pub(super) fn is_lost(&self) -> bool {
        match self {
            Self::Ended(_) | Self::Unreplicated => true,
            Self::Query(DieselError::DatabaseError(kind, info)) => match kind {
                DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => {
                    true
                }
                _ => ENDED.iter().any(|text| info.message().contains(text)),
            },
            // The answer to a statement that was done, but not one that can be read.
            Self::Query(DieselError::DeserializationError(_)) => true,
            _ => false,
        }
    }

    /// Whether the server said what went wrong in words that are not known: they may mean that it ended the connection, or
    /// that this transaction has to give way.
    pub(super) fn is_unclear(&self) -> bool {
        match self {
            Self::Query(DieselError::DatabaseError(DatabaseErrorKind::Unknown, info)) => {
                meaning(info.message()).is_none()
            }
            _ => false,
        }
    }

    /// Whether it can do no harm to repeat a read, or a transaction that was not committed.
    pub(super) fn is_worth_repeating(&self) -> bool {
        self.is_collision() || self.is_lost() || self.is_unclear() || self.is_read_only()
    }
}

/// How PostgreSQL says that it ends a connection.
const ENDED: [&str; 3] = [
    "terminating connection",
    "shutting down",
    "crash of another server process",
];

impl From<PostgresError> for Error {
    fn from(error: PostgresError) -> Self {
        let (kind, message) = match &error {
            PostgresError::Store(error) => return error.clone(),
            PostgresError::Query(DieselError::DatabaseError(kind, info)) => match kind {
                DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => (
                    ErrorKind::Unavailable,
                    "the connection to the database broke".to_owned(),
                ),
                DatabaseErrorKind::ReadOnlyTransaction => (
                    ErrorKind::Unavailable,
                    "the database is read-only".to_owned(),
                ),
                DatabaseErrorKind::SerializationFailure => {
                    (ErrorKind::Unavailable, BUSY.to_owned())
                }
                _ => {
                    let (kind, meaning) =
                        meaning(info.message()).unwrap_or((ErrorKind::Internal, FAILED));
                    (kind, meaning.to_owned())
                }
            },
            PostgresError::Ended(_) => (
                ErrorKind::Unavailable,
                "the database ended the connection".to_owned(),
            ),
            PostgresError::Connect(_)
            | PostgresError::SetUp(_)
            | PostgresError::NoConnection(_)
            | PostgresError::Hosts(_) => (
                ErrorKind::Unavailable,
                "the database cannot be reached".to_owned(),
            ),
            PostgresError::Standby => (
                ErrorKind::Unavailable,
                "the database is a standby, or read-only".to_owned(),
            ),
            PostgresError::NoAnswer(wait) => (
                ErrorKind::Timeout,
                format!(
                    "the database did not answer within {} s: a write may or may not be stored",
                    wait.as_secs_f32()
                ),
            ),
            PostgresError::Unreplicated => (ErrorKind::Timeout, UNREPLICATED.to_owned()),
            PostgresError::Unknown(cause) => {
                let message = match **cause {
                    PostgresError::Unreplicated => UNREPLICATED,
                    _ => "the connection to the database broke: the write may or may not be stored",
                };
                (ErrorKind::Timeout, message.to_owned())
            }
            PostgresError::Fenced => (
                ErrorKind::Unavailable,
                "the write was held up for too long and was not stored".to_owned(),
            ),
            PostgresError::Query(_) | PostgresError::Task(_) | PostgresError::Migrate(_) => {
                (ErrorKind::Internal, FAILED.to_owned())
            }
        };
        Self::new(kind, message).with_source(error)
    }
}

const UNREPLICATED: &str = "somebody has cancelled the wait for a standby: the write is stored, but may be lost with the server";
const BUSY: &str = "others write the same keys; try again";
const FAILED: &str = "the database failed";

/// What PostgreSQL's message means, if it is one of these. diesel does not pass on its error codes (SQLSTATE), so that it
/// must be in English: [`is_unclear`](PostgresError::is_unclear) is for servers where it is not (`lc_messages`).
fn meaning(message: &str) -> Option<(ErrorKind, &'static str)> {
    const MEANINGS: [(&str, ErrorKind, &str); 14] = [
        (
            "No space left on device",
            ErrorKind::StorageFull,
            "the disk of the database is full",
        ),
        (
            "could not extend file",
            ErrorKind::StorageFull,
            "the disk of the database is full",
        ),
        ("deadlock detected", ErrorKind::Unavailable, BUSY),
        (
            "statement timeout",
            ErrorKind::Unavailable,
            "the database took too long; nothing was stored",
        ),
        (
            "lock timeout",
            ErrorKind::Unavailable,
            "the database took too long; nothing was stored",
        ),
        (
            "idle-in-transaction timeout",
            ErrorKind::Unavailable,
            "the transaction was held up for too long; nothing was stored",
        ),
        (
            "terminating connection",
            ErrorKind::Unavailable,
            "the database ended the connection",
        ),
        (
            "shutting down",
            ErrorKind::Unavailable,
            "the database is shutting down",
        ),
        (
            "starting up",
            ErrorKind::Unavailable,
            "the database is starting up",
        ),
        (
            "recovery mode",
            ErrorKind::Unavailable,
            "the database is recovering from a crash",
        ),
        (
            "crash of another server process",
            ErrorKind::Unavailable,
            "the database is recovering from a crash",
        ),
        (
            "read-only transaction",
            ErrorKind::Unavailable,
            "the database is read-only",
        ),
        (
            "out of",
            ErrorKind::Unavailable,
            "the database is out of memory",
        ),
        (
            "permission denied",
            ErrorKind::Internal,
            "the database user lacks a privilege",
        ),
    ];
    MEANINGS
        .iter()
        .find(|(text, ..)| message.contains(text))
        .map(|(_, kind, meaning)| (*kind, *meaning))
}

/// The error of opening the database: for the operator, so it names the database, without the password, and the cause.
pub(super) fn while_opening(url: &DatabaseUrl, error: PostgresError) -> Error {
    if let PostgresError::Store(error) = error {
        return error.with_context(&format!("cannot open {url}"));
    }
    let cause = cause(&error);
    let kind = match &error {
        error if is_refusal(error) => ErrorKind::InvalidInput,
        PostgresError::NoAnswer(_) => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    let error = Error::from(error);
    let kind = match (kind, error.kind()) {
        (ErrorKind::Internal, by_cause) => by_cause,
        (kind, _) => kind,
    };
    Error::new(kind, format!("cannot open {url}: {cause}")).with_source(error)
}

/// Whether trying again does not help.
fn is_refusal(error: &PostgresError) -> bool {
    // Class 28 is a refused login, 3D an unknown database.
    let is_final = |code: &SqlState| code.code().starts_with("28") || code.code() == "3D000";
    match error {
        PostgresError::Connect(error) => error.code().is_some_and(is_final) || is_distrust(error),
        PostgresError::Hosts(failures) => failures.iter().all(|(_, error)| is_refusal(error)),
        _ => false,
    }
}

fn of_each(failures: &[(String, PostgresError)]) -> String {
    let of_one = |(name, error): &(String, PostgresError)| format!("{name}: {}", cause(error));
    failures.iter().map(of_one).collect::<Vec<_>>().join("; ")
}

/// The innermost cause, which says most.
fn cause(error: &PostgresError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Stored data that is not what was written.
pub(super) fn corrupt(what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("a stored {what} is not one that could have been written"),
    )
}
