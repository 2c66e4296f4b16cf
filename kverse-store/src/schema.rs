//! Schemas of databases, which are carried in the binary.

use std::fmt;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use kverse_core::Error;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use embedded::{AppliedVersion, TableName, WORKS_FROM, WorksFrom, compare};

/// A step in the making of a database's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// Its name, which begins with a date: migrations are done in the order of their names.
    pub name: String,
    /// Whether it is done.
    pub state: MigrationState,
}

/// Whether a [`Migration`] is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// It was done before.
    Applied,
    /// It has been done by this call.
    AppliedNow,
    /// It is still to be done.
    Pending,
    /// A newer version of KVerse did it, and says that this one works with it too.
    Newer,
}

impl MigrationState {
    /// The state in a word or two.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::AppliedNow => "applied now",
            Self::Pending => "pending",
            Self::Newer => "of a newer version",
        }
    }
}

impl fmt::Display for MigrationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Migration {
    pub(crate) fn is_pending(&self) -> bool {
        self.state == MigrationState::Pending
    }

    /// The same after all that was pending has been done.
    pub(crate) fn done(mut self) -> Self {
        if self.is_pending() {
            self.state = MigrationState::AppliedNow;
        }
        self
    }
}

/// Refuses to undo anything but the last migration that was done, and the first, which made the table of the keys.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn check_last(found: &[Migration], name: &str) -> Result<(), Error> {
    let done = found.iter().filter(|migration| !migration.is_pending());
    let done: Vec<&Migration> = done.collect();
    let reason = match done.as_slice() {
        [] => "no migration has been done".to_owned(),
        [first] if first.name == name => "that would remove all keys".to_owned(),
        [.., last] if last.name == name && last.state != MigrationState::Newer => return Ok(()),
        [.., last] => format!("the last one is {}", last.name),
    };
    Err(Error::invalid_input(format!(
        "the migration {name} cannot be undone: {reason}"
    )))
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod embedded {
    use diesel::QueryableByName;
    use diesel::backend::Backend;
    use diesel::migration::{self, MigrationSource, MigrationVersion};
    use diesel::sql_types::{BigInt, Text};
    use diesel_migrations::EmbeddedMigrations;
    use kverse_core::{Error, ErrorKind};

    use super::{Migration, MigrationState};

    /// A table that was looked for and found.
    #[derive(QueryableByName)]
    pub(crate) struct TableName {
        #[diesel(sql_type = Text)]
        #[expect(dead_code, reason = "that there is a row says it all")]
        name: String,
    }

    /// The version of a migration that a database has.
    #[derive(QueryableByName)]
    pub(crate) struct AppliedVersion {
        #[diesel(sql_type = Text)]
        version: String,
    }

    /// From which schema on programs work with a migration, as the migration itself says in the table `meta`.
    #[derive(QueryableByName)]
    pub(crate) struct WorksFrom {
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = BigInt)]
        value: i64,
    }

    /// The query for all [`WorksFrom`]. There is the table once there is any migration.
    pub(crate) const WORKS_FROM: &str = "SELECT name, value FROM meta WHERE name LIKE 'schema %'";

    /// The state of each migration in a database that has these. Refuses, as `Unsupported`, a schema that a newer version
    /// made, unless that says that this version works with it.
    pub(crate) fn compare<DB: Backend>(
        applied: Vec<AppliedVersion>,
        works_from: &[WorksFrom],
        migrations: &EmbeddedMigrations,
    ) -> migration::Result<Result<Vec<Migration>, Error>> {
        let known = MigrationSource::<DB>::migrations(migrations)?;
        let mut applied: Vec<_> = applied
            .into_iter()
            .map(|applied| MigrationVersion::from(applied.version))
            .collect();
        let mut found = Vec::with_capacity(known.len());
        for migration in known {
            let before = applied.len();
            applied.retain(|version| *version != migration.name().version());
            let state = if applied.len() < before {
                MigrationState::Applied
            } else {
                MigrationState::Pending
            };
            found.push(Migration {
                name: migration.name().to_string(),
                state,
            });
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let newest = MigrationSource::<DB>::migrations(migrations)?
            .iter()
            .filter_map(|migration| migration.name().version().to_string().parse::<i64>().ok())
            .max();
        applied.sort();
        for unknown in applied {
            let name = format!("schema {unknown}");
            let works = works_from
                .iter()
                .any(|works| works.name == name && Some(works.value) <= newest);
            if !works {
                let message = format!(
                    "the database was made by a newer version of KVerse (schema {unknown}); use that version or a later one"
                );
                return Ok(Err(Error::new(ErrorKind::Unsupported, message)));
            }
            found.push(Migration {
                name: unknown.to_string(),
                state: MigrationState::Newer,
            });
        }
        Ok(Ok(found))
    }
}
