//! The schema, carried in the binary.

use diesel::migration::{Migration, MigrationSource};
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use kverse_core::{Error, ErrorKind};

use super::error::SqliteError;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// Brings the schema up to date.
///
/// # Errors
/// `Unsupported` for a schema that a newer version made.
pub(super) fn migrate(connection: &mut SqliteConnection) -> Result<(), SqliteError> {
    let known: Vec<_> = MigrationSource::<Sqlite>::migrations(&MIGRATIONS)
        .map_err(SqliteError::Migrate)?
        .iter()
        .map(|migration| migration.name().version().as_owned())
        .collect();
    let applied = connection
        .applied_migrations()
        .map_err(SqliteError::Migrate)?;
    if let Some(unknown) = applied.iter().find(|version| !known.contains(version)) {
        let message = format!(
            "the database was made by a newer version of KVerse (schema {unknown}); use that version or a later one"
        );
        return Err(Error::new(ErrorKind::Unsupported, message).into());
    }
    connection
        .run_pending_migrations(MIGRATIONS)
        .map_err(SqliteError::Migrate)?;
    Ok(())
}
