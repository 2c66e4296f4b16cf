//! The schema, carried in the binary.

use diesel::sqlite::SqliteConnection;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::error::SqliteError;
use crate::schema;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Brings the schema up to date.
///
/// # Errors
/// `Unsupported` for a schema that a newer version made.
pub(super) fn migrate(connection: &mut SqliteConnection) -> Result<(), SqliteError> {
    schema::check(connection, MIGRATIONS).map_err(SqliteError::Migrate)??;
    connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(SqliteError::Migrate)?;
    Ok(())
}
