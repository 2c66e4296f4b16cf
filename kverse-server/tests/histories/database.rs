//! A look past the servers into the database.

use kverse_core::Key;
use tokio_postgres::{Client, NoTls};

use crate::cluster::{Cluster, DATABASE};

/// The advisory lock that commits wait for.
const COMMITS: u32 = 4711;

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

    /// Has commits of what is stored in this key wait until [`release_commits`](Self::release_commits). No timeout of
    /// statements ends that.
    pub(crate) async fn hold_commits(&self, key: &Key) {
        let hold = format!(
            "SELECT pg_advisory_lock({COMMITS});
             CREATE FUNCTION wait_to_commit() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN PERFORM pg_advisory_xact_lock_shared({COMMITS}); RETURN NULL; END $$;
             CREATE CONSTRAINT TRIGGER wait_to_commit AFTER INSERT OR UPDATE ON kv
             DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.key = '{key}')
             EXECUTE FUNCTION wait_to_commit()"
        );
        self.client.batch_execute(&hold).await.unwrap();
    }

    /// Whether a commit is held.
    pub(crate) async fn is_commit_held(&self) -> bool {
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory'";
        !self.client.query(waiting, &[]).await.unwrap().is_empty()
    }

    /// Lets commits go on, and waits for those that were held.
    pub(crate) async fn release_commits(&self) {
        let unlock = format!("SELECT pg_advisory_unlock({COMMITS})");
        self.client.batch_execute(&unlock).await.unwrap();
        // This needs the table for itself.
        let drop = "DROP FUNCTION wait_to_commit CASCADE";
        self.client.batch_execute(drop).await.unwrap();
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
