//! Copies of a database that is in use.

use std::fs::File;
use std::path::{Path, PathBuf};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use kverse_core::{Error, ErrorKind, Result};

use super::SqliteStore;
use super::connection::{database_url, resolve};
use super::error::{SqliteError, while_opening};
use crate::schema::TableName;

impl SqliteStore {
    /// Copies the database of one file into another, which is empty or not there: as it is after some commit, while a store
    /// may go on writing it. The copy is compact, and on the disk when this returns.
    ///
    /// Its feed of changes has another identity: who has seen changes that the copy does not have must not go on in it.
    ///
    /// A reader like any other: while it copies, the write-ahead log cannot be emptied, and a writer that has filled it by
    /// another 64 MiB waits for up to 5 s.
    ///
    /// # Errors
    /// `InvalidInput` if there is no database; `StorageFull`; `Unavailable` if a file cannot be used.
    pub async fn backup(from: &Path, to: &Path) -> Result<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        let copied = tokio::task::spawn_blocking(move || {
            copy(&from, &to).map_err(|error| while_opening(Some(&from), error))
        });
        copied.await.map_err(|error| {
            Error::new(ErrorKind::Internal, "copying the database failed").with_source(error)
        })?
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), SqliteError> {
    // SQLite would make it.
    if !from.is_file() {
        return Err(Error::invalid_input("there is no such file").into());
    }
    let (from, to): (PathBuf, PathBuf) = (resolve(from)?, resolve(to)?);
    let mut database = SqliteConnection::establish(database_url(&from)?)?;
    sql_query("PRAGMA busy_timeout = 5000").execute(&mut database)?;
    sql_query("VACUUM INTO ?1")
        .bind::<Text, _>(database_url(&to)?)
        .execute(&mut database)?;
    drop(database);
    begin_feed_anew(&mut SqliteConnection::establish(database_url(&to)?)?)?;
    File::open(&to)?.sync_all()?;
    Ok(())
}

fn begin_feed_anew(copy: &mut SqliteConnection) -> QueryResult<()> {
    const TABLE: &str = "SELECT name FROM sqlite_master WHERE name = 'feed'";
    if !sql_query(TABLE).load::<TableName>(copy)?.is_empty() {
        sql_query("UPDATE feed SET identity = random() & 9007199254740991").execute(copy)?;
    }
    Ok(())
}
