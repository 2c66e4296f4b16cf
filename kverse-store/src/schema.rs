//! Schemas of databases, which are carried in the binary.

use diesel::backend::Backend;
use diesel::migration::{self, Migration, MigrationSource};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness};
use kverse_core::{Error, ErrorKind};

/// Refuses, as `Unsupported`, a database whose schema a newer version made.
pub(crate) fn check<DB: Backend>(
    connection: &mut impl MigrationHarness<DB>,
    migrations: EmbeddedMigrations,
) -> migration::Result<Result<(), Error>> {
    let known: Vec<_> = MigrationSource::<DB>::migrations(&migrations)?
        .iter()
        .map(|migration| migration.name().version().as_owned())
        .collect();
    let applied = connection.applied_migrations()?;
    let unknown = applied.iter().find(|version| !known.contains(version));
    Ok(unknown.map_or(Ok(()), |unknown| {
        let message = format!(
            "the database was made by a newer version of KVerse (schema {unknown}); use that version or a later one"
        );
        Err(Error::new(ErrorKind::Unsupported, message))
    }))
}
