//! SQLite.

use std::path::PathBuf;

use diesel::connection::{Connection, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel::sqlite::SqliteConnection;
use kverse_core::{ErrorKind, KvStoreExt};
use kverse_store::{MigrationState, Opened, StoreConfig, StoreUrl};
use kverse_store::{migrations, open_with_tokens, revert};
use tempfile::TempDir;

use crate::contents::{self, LATER};
use crate::files::{Step, steps};

struct Database(TempDir);

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

impl Database {
    /// A database as the version of KVerse left it whose schema these steps are.
    fn at(steps: &[Step]) -> Self {
        let database = Self(tempfile::tempdir().unwrap());
        for step in steps {
            database.sql(&step.sql());
        }
        database.sql(&format!(
            "INSERT INTO kv (key, value, content_type, version, expires_at, write_id, existed) VALUES \
             ('plain', x'00ff', NULL, 11, NULL, x'01', 0), \
             ('typed', CAST('text' AS BLOB), 'text/plain', 12, {LATER}, x'02', 1), \
             ('deleted', NULL, NULL, 13, NULL, x'03', 1)"
        ));
        if steps.iter().any(|step| step.name.contains("access_token")) {
            database.sql(
                "INSERT INTO access_token (id, name, scopes, secret_hash, created_at) \
                 VALUES ('mine', 'mine', '[{\"verbs\":[\"read\"]}]', zeroblob(32), 1)",
            );
        }
        database
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("kverse.db")
    }

    fn url(&self) -> StoreUrl {
        format!("sqlite:{}", self.path().display()).parse().unwrap()
    }

    fn connect(&self) -> SqliteConnection {
        SqliteConnection::establish(self.path().to_str().unwrap()).unwrap()
    }

    fn sql(&self, sql: &str) {
        self.connect().batch_execute(sql).unwrap();
    }

    /// The schema, and what is in the table of keys.
    fn shape(&self) -> Vec<String> {
        let lines = "SELECT sql AS line FROM sqlite_master WHERE sql IS NOT NULL UNION ALL \
                     SELECT key || quote(value) || quote(content_type) || version || quote(expires_at) \
                     || quote(write_id) || existed FROM kv ORDER BY 1";
        let lines = diesel::sql_query(lines).load::<Line>(&mut self.connect());
        lines.unwrap().into_iter().map(|line| line.line).collect()
    }

    async fn open(&self) -> kverse_core::Result<Opened> {
        open_with_tokens(&StoreConfig::new(self.url())).await
    }

    async fn check(&self, tokens: bool) {
        let opened = self.open().await.unwrap();
        let tokens = tokens.then_some(&*opened.tokens);
        contents::are_there(&*opened.store, tokens).await;
        opened.store.close().await;
    }
}

#[tokio::test]
async fn from_each_schema_to_the_present_one_and_back() {
    let steps = steps("sqlite");
    for count in 1..=steps.len() {
        let database = Database::at(&steps[..count]);
        let before = database.shape();
        let tokens = steps[..count]
            .iter()
            .any(|step| step.name.contains("access_token"));
        database.check(tokens).await;
        for step in steps[count..].iter().rev() {
            revert(&database.url(), &step.name).await.unwrap();
        }
        assert_eq!(database.shape(), before, "back at {count}");
        database.check(tokens).await;
    }
}

const FUTURE: &str = "29991231000000";

/// As after a return to an older version of KVerse.
#[tokio::test]
async fn a_newer_schema_is_used_if_it_says_that_this_version_may() {
    let present = steps("sqlite").pop().unwrap().version();
    for (works_from, is_used) in [
        (None, false),
        (Some(FUTURE), false),
        (Some(&*present), true),
    ] {
        let database = Database::at(&steps("sqlite"));
        database.sql("ALTER TABLE kv ADD COLUMN later TEXT");
        if let Some(schema) = works_from {
            database.sql(&format!(
                "INSERT INTO meta (name, value) VALUES ('schema {FUTURE}', {schema})"
            ));
        }
        database.sql(&format!(
            "INSERT INTO __diesel_schema_migrations (version) VALUES ('{FUTURE}')"
        ));
        if !is_used {
            let error = database.open().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(FUTURE), "{error}");
            continue;
        }
        let found = migrations(&database.url()).await.unwrap();
        let newer = found.last().unwrap();
        assert_eq!((&*newer.name, newer.state), (FUTURE, MigrationState::Newer));
        database.check(true).await;
        let store = database.open().await.unwrap().store;
        store.put(&"k".parse().unwrap(), "value").await.unwrap();
        let found = store.get(&"k".parse().unwrap()).await.unwrap();
        assert_eq!(found.unwrap().value, "value");
    }
}
