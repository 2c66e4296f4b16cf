//! What tells a database from all others.

use diesel_async::RunQueryDsl;
use kverse_core::Result;
use sha2::{Digest, Sha256};

use super::PostgresStore;
use super::error::PostgresError;
use super::pool::Connections;
use super::statements::{ReadIdentity, ReadSystem, TellsSystem};

impl PostgresStore {
    /// 16 hexadecimal digits that tell this database from others, so that they can share one cache: also from a copy of it
    /// in another database or, made by a dump, on another server, and from one that was in its place before. A server that
    /// is a copy of another file by file cannot be told from it.
    ///
    /// # Errors
    /// As a read.
    pub async fn identity(&self) -> Result<String> {
        self.retried(|| load(self.connections())).await
    }
}

pub(super) async fn load(connections: &Connections) -> Result<String, PostgresError> {
    let mut lease = connections.lease().await?;
    let read = ReadIdentity::new().get_result::<(i64, i64)>(&mut lease);
    let (identity, database) = connections.answer(read).await?;
    // Not every kind of server has one, or tells it to everyone.
    let told = TellsSystem::new().get_result::<bool>(&mut lease);
    let system = if connections.answer(told).await? {
        let system = ReadSystem::new().get_result::<i64>(&mut lease);
        connections.answer(system).await?
    } else {
        0
    };
    lease.keep();
    let digest = Sha256::digest(format!("{identity} {database} {system}"));
    Ok(digest
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
