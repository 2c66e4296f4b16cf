//! The schema, carried in the binary.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::pg::Pg;
use diesel::{RunQueryDsl, sql_query};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use kverse_core::{Error, ErrorKind, Result};
use tokio::time::timeout;

use super::error::{PostgresError, while_opening};
use super::pool::Connections;
use super::{PostgresConfig, PostgresStore};
use crate::schema::{self, AppliedVersion, Migration, TableName, WORKS_FROM, WorksFrom};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// How long the migrations may take, waits for another replica that migrates included.
const WAIT: Duration = Duration::from_secs(120);

/// How long a migration waits for the lock of a table.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// The name of the lock that lets one replica migrate at a time: a number that no other program is likely to use.
const LOCK: &str = "SELECT pg_advisory_lock(8020231117001947453)";

impl PostgresStore {
    /// Brings the schema of a database up to date, and says what of it was done now.
    ///
    /// # Errors
    /// As [`open`](Self::open); `InvalidInput` if the user may not change the schema.
    pub async fn migrate(config: PostgresConfig) -> Result<Vec<Migration>> {
        let migrated = async {
            let connections = Connections::new(&config, Arc::default())?;
            migrate(connections.connect().await?).await
        };
        migrated
            .await
            .map_err(|error| while_opening(&config.url, error))
    }

    /// Undoes the last migration of a database, which must have this name; what there is of the schema then. What only that
    /// migration made a place for is lost.
    ///
    /// # Errors
    /// As [`migrate`](Self::migrate); `InvalidInput` for any other migration than the last, and for the first.
    pub async fn revert(config: PostgresConfig, name: &str) -> Result<Vec<Migration>> {
        let name = name.to_owned();
        let reverted = async {
            let connections = Connections::new(&config, Arc::default())?;
            let connection = connections.connect().await?;
            blocking(connection, move |connection| revert(connection, &name)).await
        };
        reverted
            .await
            .map_err(|error| while_opening(&config.url, error))
    }

    /// What of the schema a database has.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn migrations(config: PostgresConfig) -> Result<Vec<Migration>> {
        let found = async {
            let connections = Connections::new(&config, Arc::default())?;
            migrations(connections.connect().await?).await
        };
        found
            .await
            .map_err(|error| while_opening(&config.url, error))
    }
}

type Connection = AsyncConnectionWrapper<AsyncPgConnection>;

/// Brings the schema up to date, over a connection that is not used for anything else: its end frees the lock. A schema that
/// is up to date is only read, so that a user who may not change it will do.
///
/// # Errors
/// `Unsupported` for a schema that a newer version made; `InvalidInput` if it has to be changed, and the user may not.
pub(super) async fn migrate(
    connection: AsyncPgConnection,
) -> Result<Vec<Migration>, PostgresError> {
    blocking(connection, migrate_blocking).await
}

/// What of the schema is there, which this does not change.
///
/// # Errors
/// `Unsupported` for a schema that a newer version made.
pub(super) async fn migrations(
    connection: AsyncPgConnection,
) -> Result<Vec<Migration>, PostgresError> {
    blocking(connection, read).await
}

async fn blocking<T: Send + 'static>(
    connection: AsyncPgConnection,
    work: impl FnOnce(&mut Connection) -> Result<T, PostgresError> + Send + 'static,
) -> Result<T, PostgresError> {
    let working =
        tokio::task::spawn_blocking(move || work(&mut AsyncConnectionWrapper::from(connection)));
    timeout(WAIT, working)
        .await
        .map_err(|_elapsed| PostgresError::NoAnswer(WAIT))?
        .map_err(PostgresError::Task)?
}

fn migrate_blocking(connection: &mut Connection) -> Result<Vec<Migration>, PostgresError> {
    let found = read(connection)?;
    if !found.iter().any(Migration::is_pending) {
        return Ok(found);
    }
    lock(connection)?;
    // Another replica may have been faster.
    let found = read(connection)?;
    connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(while_changing)?;
    Ok(found.into_iter().map(Migration::done).collect())
}

fn revert(connection: &mut Connection, name: &str) -> Result<Vec<Migration>, PostgresError> {
    lock(connection)?;
    schema::check_last(&read(connection)?, name)?;
    connection
        .revert_last_migration(MIGRATIONS)
        .map_err(while_changing)?;
    read(connection)
}

/// Keeps others from migrating until the connection ends. What then waits for the lock of a table lets others wait behind it:
/// not for long.
fn lock(connection: &mut Connection) -> Result<(), PostgresError> {
    connection.batch_execute(&format!("SET statement_timeout = {}", WAIT.as_millis()))?;
    connection.batch_execute(LOCK)?;
    connection.batch_execute(&format!("SET lock_timeout = {}", LOCK_WAIT.as_millis()))?;
    Ok(())
}

/// The state of each migration. Not by diesel's own means, which make their table if it is not there: only users who may
/// make tables can ask them.
fn read(connection: &mut Connection) -> Result<Vec<Migration>, PostgresError> {
    const TABLE: &str = "SELECT found::text AS name FROM to_regclass('__diesel_schema_migrations') AS found \
        WHERE found IS NOT NULL";
    let mut applied = Vec::new();
    if !sql_query(TABLE).load::<TableName>(connection)?.is_empty() {
        applied = sql_query("SELECT version FROM __diesel_schema_migrations")
            .load::<AppliedVersion>(connection)?;
    }
    let mut works_from = Vec::new();
    if !applied.is_empty() {
        works_from = sql_query(WORKS_FROM).load::<WorksFrom>(connection)?;
    }
    let found = schema::compare::<Pg>(applied, &works_from, &MIGRATIONS);
    Ok(found.map_err(PostgresError::Migrate)??)
}

/// The error of a schema that could not be changed.
fn while_changing(error: Box<dyn std::error::Error + Send + Sync>) -> PostgresError {
    let text = error.to_string();
    let denied = ["permission denied", "must be owner"];
    if denied.iter().any(|denied| text.contains(denied)) {
        let message = format!(
            "the schema of the database is not up to date, and this user may not change it ({text}): \
             run `kverse-cli migrate` as one who may"
        );
        return Error::invalid_input(message).with_source(error).into();
    }
    if text.contains("lock timeout") {
        let message = "the schema of the database cannot be changed while somebody, such as a dump, holds locks of its tables";
        return Error::new(ErrorKind::Unavailable, message)
            .with_source(error)
            .into();
    }
    PostgresError::Migrate(error)
}
