//! The schema, carried in the binary.

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::pg::Pg;
use diesel::{RunQueryDsl, sql_query};
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use kverse_core::{Error, Result};
use tokio::time::timeout;

use super::error::{PostgresError, while_opening};
use super::pool::Connections;
use super::session::Session;
use super::{PostgresConfig, PostgresStore};
use crate::schema::{self, AppliedVersion, Migration, TableName};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// How long the migrations may take, waits for another replica that migrates included.
const WAIT: Duration = Duration::from_secs(120);

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
pub(super) async fn migrate(session: Session) -> Result<Vec<Migration>, PostgresError> {
    blocking(session, migrate_blocking).await
}

/// What of the schema is there, which this does not change.
///
/// # Errors
/// `Unsupported` for a schema that a newer version made.
pub(super) async fn migrations(session: Session) -> Result<Vec<Migration>, PostgresError> {
    blocking(session, read).await
}

async fn blocking<T: Send + 'static>(
    session: Session,
    work: impl FnOnce(&mut Connection) -> Result<T, PostgresError> + Send + 'static,
) -> Result<T, PostgresError> {
    let working = tokio::task::spawn_blocking(move || {
        let (connection, _driver) = session.into_parts();
        work(&mut AsyncConnectionWrapper::from(connection))
    });
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
    connection.batch_execute(&format!("SET statement_timeout = {}", WAIT.as_millis()))?;
    connection.batch_execute(LOCK)?;
    // Another replica may have been faster.
    let found = read(connection)?;
    connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(while_changing)?;
    Ok(found.into_iter().map(Migration::done).collect())
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
    Ok(schema::compare::<Pg>(applied, &MIGRATIONS).map_err(PostgresError::Migrate)??)
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
    PostgresError::Migrate(error)
}
