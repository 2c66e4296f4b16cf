//! The schema, carried in the binary.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::time::timeout;

use super::error::PostgresError;
use crate::schema;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// How long the migrations may take, waits for another replica that migrates included.
const WAIT: Duration = Duration::from_secs(120);

/// The name of the lock that lets one replica migrate at a time: a number that no other program is likely to use.
const LOCK: &str = "SELECT pg_advisory_lock(8020231117001947453)";

/// Brings the schema up to date, over a connection that is not used for anything else: its end frees the lock.
///
/// # Errors
/// `Unsupported` for a schema that a newer version made.
pub(super) async fn migrate(connection: AsyncPgConnection) -> Result<(), PostgresError> {
    let migrating = tokio::task::spawn_blocking(move || {
        migrate_blocking(&mut AsyncConnectionWrapper::from(connection))
    });
    timeout(WAIT, migrating)
        .await
        .map_err(|_elapsed| PostgresError::NoAnswer(WAIT))??
}

fn migrate_blocking(
    connection: &mut AsyncConnectionWrapper<AsyncPgConnection>,
) -> Result<(), PostgresError> {
    connection.batch_execute(&format!("SET statement_timeout = {}", WAIT.as_millis()))?;
    connection.batch_execute(LOCK)?;
    schema::check(connection, MIGRATIONS).map_err(PostgresError::Migrate)??;
    connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(PostgresError::Migrate)?;
    Ok(())
}
