//! The schema, carried in the binary.

use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{RunQueryDsl, sql_query};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use kverse_core::{Error, ErrorKind, Result};

use super::connection;
use super::error::{SqliteError, while_opening};
use super::lock::DatabaseLock;
use super::{SqliteConfig, SqliteStore};
use crate::schema::{self, AppliedVersion, Migration, TableName, WORKS_FROM, WorksFrom};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

impl SqliteStore {
    /// Brings the schema of a database up to date, making the file if it is not there, and says what of it was done now.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn migrate(config: SqliteConfig) -> Result<Vec<Migration>> {
        blocking(config, |config| on_file(config, migrate)).await
    }

    /// Undoes the last migration of a database, which must have this name; what there is of the schema then. What only that
    /// migration made a place for is lost.
    ///
    /// # Errors
    /// As [`open`](Self::open); `InvalidInput` for any other migration than the last, and for the first.
    pub async fn revert(config: SqliteConfig, name: &str) -> Result<Vec<Migration>> {
        let name = name.to_owned();
        blocking(config, move |config| {
            on_file(config, |connection| revert(connection, &name))
        })
        .await
    }

    /// What of the schema a database has. A file that is not there is not made.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn migrations(config: SqliteConfig) -> Result<Vec<Migration>> {
        blocking(config, |config| match &config.path {
            Some(path) if path.exists() => on_file(config, migrations),
            _ => compare(Vec::new(), &[]),
        })
        .await
    }
}

async fn blocking(
    config: SqliteConfig,
    work: impl FnOnce(&SqliteConfig) -> Result<Vec<Migration>, SqliteError> + Send + 'static,
) -> Result<Vec<Migration>> {
    let work = move || work(&config).map_err(|error| while_opening(config.path.as_deref(), error));
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Error::new(ErrorKind::Internal, "reading the schema failed").with_source(error)
    })?
}

/// Works on the database as nobody else does.
fn on_file<T>(
    config: &SqliteConfig,
    work: impl FnOnce(&mut SqliteConnection) -> Result<T, SqliteError>,
) -> Result<T, SqliteError> {
    let path = config.path.as_deref();
    let path = path.map(connection::resolve).transpose()?;
    let _lock = path.as_deref().map(DatabaseLock::take).transpose()?;
    work(&mut connection::open_writer(
        path.as_deref(),
        config.max_bytes,
    )?)
}

/// Brings the schema up to date.
///
/// # Errors
/// `Unsupported` for a schema that a newer version made.
pub(super) fn migrate(connection: &mut SqliteConnection) -> Result<Vec<Migration>, SqliteError> {
    let found = migrations(connection)?;
    connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(SqliteError::Migrate)?;
    Ok(found.into_iter().map(Migration::done).collect())
}

fn revert(connection: &mut SqliteConnection, name: &str) -> Result<Vec<Migration>, SqliteError> {
    schema::check_last(&migrations(connection)?, name)?;
    connection
        .revert_last_migration(MIGRATIONS)
        .map_err(SqliteError::Migrate)?;
    migrations(connection)
}

/// What of the schema is there, which this does not change.
///
/// # Errors
/// `Unsupported` for a schema that a newer version made.
pub(super) fn migrations(connection: &mut SqliteConnection) -> Result<Vec<Migration>, SqliteError> {
    const TABLE: &str = "SELECT name FROM sqlite_master WHERE name = '__diesel_schema_migrations'";
    let mut applied = Vec::new();
    if !sql_query(TABLE).load::<TableName>(connection)?.is_empty() {
        applied = sql_query("SELECT version FROM __diesel_schema_migrations")
            .load::<AppliedVersion>(connection)?;
    }
    let mut works_from = Vec::new();
    if !applied.is_empty() {
        works_from = sql_query(WORKS_FROM).load::<WorksFrom>(connection)?;
    }
    compare(applied, &works_from)
}

fn compare(
    applied: Vec<AppliedVersion>,
    works_from: &[WorksFrom],
) -> Result<Vec<Migration>, SqliteError> {
    let found = schema::compare::<Sqlite>(applied, works_from, &MIGRATIONS);
    Ok(found.map_err(SqliteError::Migrate)??)
}
