//! Copies of a store's database.

use std::path::Path;

use kverse_core::{Error, Result};

use crate::StoreUrl;

/// Copies an SQLite database into a file that is empty or not there, as it is after some commit, while a server may go on
/// writing it. The copy is on the disk when this returns.
///
/// # Errors
/// `InvalidInput` for any other store, and if there is no database; `StorageFull`; `Unavailable` if a file cannot be used.
#[cfg_attr(
    not(feature = "sqlite"),
    expect(unused_variables, reason = "this build has no SQLite")
)]
pub async fn backup(url: &StoreUrl, to: &Path) -> Result<()> {
    match url {
        #[cfg(feature = "sqlite")]
        StoreUrl::Sqlite(path) => crate::sqlite::SqliteStore::backup(path, to).await,
        url => Err(Error::invalid_input(format!(
            "{url} is not a database file: export it, or use the tools of its database, such as pg_dump"
        ))),
    }
}
