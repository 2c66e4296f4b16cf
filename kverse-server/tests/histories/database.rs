//! A look past the servers into the database.

use kverse_core::Key;
use tokio_postgres::{Client, NoTls};

use crate::cluster::{Cluster, DATABASE};

/// A connection of its own.
pub(crate) struct Database {
    client: Client,
}

impl Database {
    pub(crate) async fn connect(cluster: &Cluster) -> Self {
        let url = cluster.postgres.url(DATABASE);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        Self { client }
    }

    /// Keeps others from writing this key until [`unlock`](Self::unlock).
    pub(crate) async fn lock(&self, key: &Key) {
        self.client.batch_execute("BEGIN").await.unwrap();
        let lock = "SELECT version FROM kv WHERE key = $1 FOR UPDATE";
        self.client.query_one(lock, &[&key.as_str()]).await.unwrap();
    }

    pub(crate) async fn unlock(&self) {
        self.client.batch_execute("COMMIT").await.unwrap();
    }

    /// Whether somebody waits for a lock. Not to be asked by who holds one.
    pub(crate) async fn anyone_waits(&self) -> bool {
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        !self.client.query(waiting, &[]).await.unwrap().is_empty()
    }

    /// What the value of the key begins with, if it has one.
    pub(crate) async fn identity(&self, key: &Key) -> Option<String> {
        let value = "SELECT value FROM kv WHERE key = $1";
        let row = self.client.query_opt(value, &[&key.as_str()]).await;
        let value: Option<Vec<u8>> = row.unwrap()?.get(0);
        let value = String::from_utf8(value?).unwrap();
        value.split(' ').next().map(str::to_owned)
    }
}
