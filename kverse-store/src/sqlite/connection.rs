//! Connections and their settings.

use std::fs;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use kverse_core::Error;

use super::error::SqliteError;

/// How large the write-ahead log may grow before the writer waits for readers to empty it.
pub(super) const MAX_WAL_BYTES: u64 = 64 << 20;

const PAGE_BYTES: u64 = 4096;

/// The pages in the write-ahead log at which a commit copies them into the database (32 MiB). Copying 8 times as many as
/// SQLite's default of 1000 at once copies pages that were written several times only once, and stalls 8 times fewer
/// commits: measured with 64 puts a commit, 1.3 times the throughput, p99 3 ms instead of 9. A thread that copies beside
/// the writer was slower: under load the log never empties, and a growing file takes longer to sync.
const CHECKPOINT_PAGES: u64 = 8000;

/// The file's one name: absolute, with links resolved, so that two names of a file share a lock.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, SqliteError> {
    if path.is_dir() {
        return Err(Error::invalid_input(format!(
            "{} is a directory; give the path of a file",
            path.display()
        ))
        .into());
    }
    if path.exists() {
        return Ok(fs::canonicalize(path)?);
    }
    let name = path.file_name().ok_or_else(|| {
        Error::invalid_input(format!("{} is not the path of a file", path.display()))
    })?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = fs::canonicalize(directory).map_err(|error| {
        Error::invalid_input(format!(
            "cannot make {}: the directory {} cannot be used: {error}",
            path.display(),
            directory.display()
        ))
        .with_source(error)
    })?;
    Ok(directory.join(name))
}

/// The path as SQLite takes it. An absolute path is never read as a URI.
pub(super) fn database_url(path: &Path) -> Result<&str, SqliteError> {
    path.to_str().ok_or_else(|| {
        Error::invalid_input(format!("the path {} is not UTF-8", path.display())).into()
    })
}

/// The connection that writes.
pub(super) fn open_writer(
    path: Option<&Path>,
    max_bytes: Option<u64>,
) -> Result<SqliteConnection, SqliteError> {
    let url = path.map_or(Ok(":memory:"), database_url)?;
    let mut connection = SqliteConnection::establish(url)?;
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = 5000;
         PRAGMA page_size = {PAGE_BYTES};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA journal_size_limit = {MAX_WAL_BYTES};"
    ))?;
    if let Some(bytes) = max_bytes {
        let pages = (bytes / PAGE_BYTES).max(1);
        connection.batch_execute(&format!("PRAGMA max_page_count = {pages}"))?;
    }
    Ok(connection)
}

/// The settings of a connection that reads.
pub(super) fn set_up_reader(connection: &mut SqliteConnection) -> QueryResult<()> {
    connection.batch_execute(
        "PRAGMA busy_timeout = 5000;
         PRAGMA query_only = ON;",
    )
}
