//! The schema of a store's database, apart from opening the store.

use kverse_core::{Error, Result};

use crate::StoreUrl;
#[cfg(feature = "postgres")]
use crate::postgres::{PostgresConfig, PostgresStore};
use crate::schema::Migration;
#[cfg(feature = "sqlite")]
use crate::sqlite::{SqliteConfig, SqliteStore};

/// Brings the schema of a database up to date, as [`open`](crate::open) does, and says what of it was done now. For
/// databases whose schema the user of the servers may not change: a schema that is up to date they only read.
///
/// # Errors
/// `InvalidInput` for a store without a database of its own (a remote server, memory), and if the user may not change the
/// schema; else as opening it.
pub async fn migrate(url: &StoreUrl) -> Result<Vec<Migration>> {
    match url {
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => SqliteStore::migrate(SqliteConfig::new(path)).await,
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => PostgresStore::migrate(PostgresConfig::new(url.clone())).await,
        url => Err(without_schema(url)),
    }
}

/// Undoes the last migration of a database, which must have this name, so that an older version of KVerse can use it; what
/// there is of the schema then. What only that migration made a place for is lost.
///
/// # Errors
/// As [`migrate`]; `InvalidInput` for any other migration than the last, and for the first.
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(unused_variables, reason = "there is no schema in this build")
)]
pub async fn revert(url: &StoreUrl, name: &str) -> Result<Vec<Migration>> {
    match url {
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => SqliteStore::revert(SqliteConfig::new(path), name).await,
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => {
            PostgresStore::revert(PostgresConfig::new(url.clone()), name).await
        }
        url => Err(without_schema(url)),
    }
}

/// What of the schema a database has, which this does not change: a file that is not there is not made.
///
/// # Errors
/// As [`migrate`].
pub async fn migrations(url: &StoreUrl) -> Result<Vec<Migration>> {
    match url {
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => SqliteStore::migrations(SqliteConfig::new(path)).await,
        #[cfg(feature = "postgres")]
        StoreUrl::Postgres(url) => {
            PostgresStore::migrations(PostgresConfig::new(url.clone())).await
        }
        url => Err(without_schema(url)),
    }
}

fn without_schema(url: &StoreUrl) -> Error {
    Error::invalid_input(format!(
        "{url} has no schema to migrate: give the database itself, sqlite:PATH or postgresql://HOST/DATABASE"
    ))
}
