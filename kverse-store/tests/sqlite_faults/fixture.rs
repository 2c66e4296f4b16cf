//! What the tests share.

use std::path::PathBuf;
use std::sync::Arc;

use diesel::connection::{Connection, SimpleConnection};
use diesel::sqlite::SqliteConnection;
use kverse_core::{Error, Key, ManualClock};
use kverse_store::sqlite::{SqliteConfig, SqliteStore};
use tempfile::TempDir;

/// A database file in a directory of its own.
pub(crate) struct Fixture {
    pub(crate) directory: TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::default(),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("kverse.db")
    }

    pub(crate) fn config(&self) -> SqliteConfig {
        SqliteConfig::new(self.path()).with_clock(Arc::clone(&self.clock) as _)
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        SqliteStore::open(self.config()).await.unwrap()
    }

    pub(crate) async fn open_error(&self) -> Error {
        SqliteStore::open(self.config()).await.unwrap_err()
    }

    /// Runs SQL as another program would.
    pub(crate) fn sql(&self, sql: &str) {
        let mut connection = SqliteConnection::establish(self.path().to_str().unwrap()).unwrap();
        connection.batch_execute(sql).unwrap();
    }
}

pub(crate) fn key(text: impl std::fmt::Display) -> Key {
    text.to_string().parse().unwrap()
}
