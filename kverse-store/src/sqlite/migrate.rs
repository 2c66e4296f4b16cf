//! The schema, carried in the binary.

use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel::{RunQueryDsl, sql_query};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use kverse_core::{Error, ErrorKind, Result};

use super::connection;
use super::error::{SqliteError, while_opening};
use super::lock::DatabaseLock;
use super::{SqliteConfig, SqliteStore};
use crate::schema::{self, AppliedVersion, Migration, TableName};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

impl SqliteStore {
    /// Brings the schema of a database up to date, making the file if it is not there, and says what of it was done now.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn migrate(config: SqliteConfig) -> Result<Vec<Migration>> {
        blocking(config, |config| on_file(config, migrate)).await
    }

    /// What of the schema a database has. A file that is not there is not made.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn migrations(config: SqliteConfig) -> Result<Vec<Migration>> {
        blocking(config, |config| match &config.path {
            Some(path) if path.exists() => on_file(config, migrations),
            _ => compare(Vec::new()),
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
    compare(applied)
}

fn compare(applied: Vec<AppliedVersion>) -> Result<Vec<Migration>, SqliteError> {
    Ok(schema::compare::<Sqlite>(applied, &MIGRATIONS).map_err(SqliteError::Migrate)??)
}
