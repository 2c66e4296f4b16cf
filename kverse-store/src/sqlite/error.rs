//! What can go wrong with SQLite, and what it means to callers.

use std::io;
use std::path::Path;

use diesel::result::Error as DieselError;
use diesel::{ConnectionError, r2d2};
use kverse_core::{Error, ErrorKind};

/// An error of the database. [`From`] for [`Error`] is the one place that maps it.
#[derive(Debug, thiserror::Error)]
pub(super) enum SqliteError {
    #[error(transparent)]
    Query(#[from] DieselError),
    /// The changes may or may not be there after a crash.
    #[error("the commit failed")]
    Commit(#[source] DieselError),
    #[error(transparent)]
    Connect(#[from] ConnectionError),
    #[error(transparent)]
    Pool(#[from] r2d2::PoolError),
    #[error("the migration failed")]
    Migrate(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Io(#[from] io::Error),
    /// An error that already says what it means.
    #[error(transparent)]
    Store(#[from] Error),
}

impl From<SqliteError> for Error {
    fn from(error: SqliteError) -> Self {
        let (kind, message) = match &error {
            SqliteError::Store(error) => return error.clone(),
            SqliteError::Query(cause) => meaning(&cause.to_string()),
            SqliteError::Connect(cause) => meaning(&cause.to_string()),
            SqliteError::Migrate(cause) => meaning(&cause.to_string()),
            SqliteError::Commit(cause) => match meaning(&cause.to_string()) {
                // What did not fit was not written. Anything else may have been.
                full @ (ErrorKind::StorageFull, _) => full,
                (_, message) => (
                    ErrorKind::Timeout,
                    format!("{message} during the commit: the write may or may not be stored"),
                ),
            },
            SqliteError::Pool(_) => (
                ErrorKind::Unavailable,
                "no connection to the database became free in time".to_owned(),
            ),
            SqliteError::Io(cause) => (
                ErrorKind::Unavailable,
                format!("the database's files cannot be used: {cause}"),
            ),
        };
        Self::new(kind, message).with_source(error)
    }
}

/// What SQLite's message means. diesel does not pass on its result codes, and these texts are fixed in SQLite's source.
fn meaning(message: &str) -> (ErrorKind, String) {
    const MEANINGS: [(&str, ErrorKind, &str); 9] = [
        (
            "database or disk is full",
            ErrorKind::StorageFull,
            "the disk or the quota of the database is full",
        ),
        (
            "readonly database",
            ErrorKind::Unavailable,
            "the database is read-only",
        ),
        (
            "disk I/O error",
            ErrorKind::Unavailable,
            "the disk reported an I/O error",
        ),
        (
            "unable to open database",
            ErrorKind::Unavailable,
            "the database file cannot be opened",
        ),
        (
            "database is locked",
            ErrorKind::Unavailable,
            "another program has locked the database",
        ),
        (
            "database table is locked",
            ErrorKind::Unavailable,
            "another program has locked the database",
        ),
        (
            "out of memory",
            ErrorKind::Unavailable,
            "the database is out of memory",
        ),
        (
            "malformed",
            ErrorKind::Corrupt,
            "the database file is damaged",
        ),
        (
            "file is not a database",
            ErrorKind::Corrupt,
            "the file is not an SQLite database",
        ),
    ];
    MEANINGS
        .iter()
        .find(|(text, ..)| message.contains(text))
        .map_or_else(
            || (ErrorKind::Internal, "the database failed".to_owned()),
            |(_, kind, meaning)| (*kind, (*meaning).to_owned()),
        )
}

/// The error of opening the database in `path`: for the operator, so it names the file and the cause.
pub(super) fn while_opening(path: Option<&Path>, error: SqliteError) -> Error {
    let Some(path) = path else {
        return error.into();
    };
    if let SqliteError::Store(error) = error {
        return error;
    }
    let error = Error::from(error);
    // Nothing was written for a caller yet: no outcome is unknown.
    let kind = match error.kind() {
        ErrorKind::Timeout => ErrorKind::Unavailable,
        kind => kind,
    };
    let message = format!("cannot open {}: {}", path.display(), error.message());
    Error::new(kind, message).with_source(error)
}

/// Stored data that is not what was written.
pub(super) fn corrupt(what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("a stored {what} is not one that could have been written"),
    )
}

#[cfg(test)]
mod tests {
    use diesel::result::DatabaseErrorKind;

    use super::*;

    fn query_error(message: &str) -> DieselError {
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned()))
    }

    #[test]
    fn messages_decide_the_kind() {
        for (message, kind) in [
            ("database or disk is full", ErrorKind::StorageFull),
            (
                "attempt to write a readonly database",
                ErrorKind::Unavailable,
            ),
            ("disk I/O error", ErrorKind::Unavailable),
            ("database disk image is malformed", ErrorKind::Corrupt),
            ("no such table: kv", ErrorKind::Internal),
        ] {
            let error = Error::from(SqliteError::from(query_error(message)));
            assert_eq!(error.kind(), kind, "{message}");
        }
    }

    #[test]
    fn the_outcome_of_a_failed_commit_is_unknown_unless_it_did_not_fit() {
        let commit = |message| Error::from(SqliteError::Commit(query_error(message)));
        assert_eq!(commit("disk I/O error").kind(), ErrorKind::Timeout);
        assert_eq!(
            commit("database or disk is full").kind(),
            ErrorKind::StorageFull
        );
    }
}
