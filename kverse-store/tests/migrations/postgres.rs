//! PostgreSQL.

use std::time::{Duration, Instant};

use kverse_core::{ErrorKind, KvStoreExt, Result};
use kverse_store::testing::{PostgresServer, TestDatabase};
use kverse_store::{Migration, MigrationState, Opened, StoreConfig};
use kverse_store::{StoreUrl, migrate, migrations, open_with_tokens, revert};
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::contents::{self, LATER};
use crate::files::{Step, steps};

fn url(database: &TestDatabase<'_>) -> StoreUrl {
    database.url().parse().unwrap()
}

async fn open(url: StoreUrl) -> Result<Opened> {
    open_with_tokens(&StoreConfig::new(url)).await
}

fn names_of(found: &[Migration], state: MigrationState) -> Vec<&str> {
    let found = found.iter().filter(|migration| migration.state == state);
    found.map(|migration| migration.name.as_str()).collect()
}

/// A database as the version of KVerse left it whose schema these steps are.
fn at(steps: &[Step]) -> TestDatabase<'static> {
    let database = PostgresServer::shared().create_database();
    for step in steps {
        database.sql(&step.sql());
    }
    database.sql(&format!(
        "INSERT INTO kv (key, value, content_type, version, expires_at, write_id, existed, deleted_at) VALUES \
         ('plain', '\\x00ff', NULL, 11, NULL, '\\x01', false, NULL), \
         ('typed', 'text', 'text/plain', 12, {LATER}, '\\x02', true, NULL), \
         ('deleted', NULL, NULL, 13, NULL, '\\x03', true, {LATER})"
    ));
    if steps.iter().any(|step| step.name.contains("access_token")) {
        database.sql(
            "INSERT INTO access_token (id, name, scopes, secret_hash, created_at) \
             VALUES ('mine', 'mine', '[{\"verbs\":[\"read\"]}]', sha256('secret'), 1)",
        );
    }
    database
}

/// The schema, and what is in the table of keys.
fn shape(database: &TestDatabase<'_>) -> (String, String) {
    let mut dump = PostgresServer::shared().client("pg_dump");
    let dump = dump.args(["--schema-only", "-d", database.name()]).output();
    let dump = String::from_utf8(dump.unwrap().stdout).unwrap();
    // Newer versions of pg_dump have lines with a random word.
    let lines = dump.lines().filter(|line| !line.starts_with('\\'));
    let schema = lines.collect::<Vec<_>>().join("\n");
    assert!(schema.contains("CREATE TABLE public.kv"), "{schema}");
    (schema, database.sql("SELECT * FROM kv ORDER BY key"))
}

#[tokio::test]
async fn from_each_schema_to_the_present_one_and_back() {
    let steps = steps("postgres");
    for count in 1..=steps.len() {
        let database = at(&steps[..count]);
        let url = url(&database);
        let before = shape(&database);
        let check = async || {
            let opened = open(url.clone()).await.unwrap();
            let tokens = database.sql("SELECT count(*) FROM access_token") != "0";
            let tokens = tokens.then_some(&*opened.tokens);
            contents::are_there(&*opened.store, tokens).await;
            opened.store.close().await;
        };
        check().await;
        for step in steps[count..].iter().rev() {
            let found = revert(&url, &step.name).await.unwrap();
            let pending = names_of(&found, MigrationState::Pending);
            assert_eq!(pending.first(), Some(&step.name.as_str()));
        }
        assert_eq!(shape(&database), before, "back at {count}");
        check().await;
    }
}

#[tokio::test]
async fn only_the_last_step_is_undone_and_never_the_first() {
    let steps = steps("postgres");
    let database = at(&steps[..2]);
    let url = url(&database);
    let refused = async |name: &str, reason: &str| {
        let error = revert(&url, name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(reason), "{error}");
    };
    let (first, second) = (&steps[0].name, &steps[1].name);
    refused(first, &format!("the last one is {second}")).await;
    refused("nonsense", &format!("the last one is {second}")).await;
    revert(&url, second).await.unwrap();
    refused(first, "that would remove all keys").await;
    migrate(&url).await.unwrap();
    let future = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')";
    database.sql(future);
    let error = revert(&url, &steps.last().unwrap().name).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_servers_that_start_at_once_migrate_an_old_database_once() {
    let steps = steps("postgres");
    let database = at(&steps[..1]);
    let mut opening = JoinSet::new();
    for _ in 0..6 {
        opening.spawn(open(url(&database)));
    }
    for opened in opening.join_all().await {
        contents::are_there(&*opened.unwrap().store, None).await;
    }
    let done = database.sql("SELECT count(*) FROM __diesel_schema_migrations");
    assert_eq!(done, steps.len().to_string());
}

/// What waits for the lock of a table has others wait behind it.
#[tokio::test]
async fn a_migration_does_not_wait_long_for_locks() {
    let steps = steps("postgres");
    let database = at(&steps[..steps.len() - 1]);
    let (holder, connection) = tokio_postgres::connect(&database.url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let lock = "BEGIN; LOCK TABLE cache_mode IN ACCESS SHARE MODE";
    holder.batch_execute(lock).await.unwrap();
    let began = Instant::now();
    let error = open(url(&database)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("while somebody"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(30));
    holder.batch_execute("COMMIT").await.unwrap();
    open(url(&database)).await.unwrap();
}

const FUTURE: &str = "29991231000000";

/// Does a migration of the future, which says that programs from a schema on work with it, or does not say so.
fn go_beyond(database: &TestDatabase<'_>, sql: &str, works_from: Option<&str>) {
    let says = works_from.map(|schema| {
        format!("INSERT INTO meta (name, value) VALUES ('schema {FUTURE}', {schema});")
    });
    database.sql(&format!(
        "{sql}; {} INSERT INTO __diesel_schema_migrations (version) VALUES ('{FUTURE}')",
        says.unwrap_or_default()
    ));
}

#[tokio::test]
async fn a_server_goes_on_beside_a_schema_that_only_has_more() {
    let present = steps("postgres").pop().unwrap().version();
    let database = at(&steps("postgres"));
    let running = open(url(&database)).await.unwrap();
    let expand = "ALTER TABLE kv ADD COLUMN later TEXT; CREATE TABLE later (id INTEGER); \
                  ALTER TABLE cache_mode ADD COLUMN later TEXT NOT NULL DEFAULT ''";
    go_beyond(&database, expand, Some(&present));
    let started = open(url(&database)).await.unwrap();
    for (number, store) in [running.store, started.store].iter().enumerate() {
        contents::are_there(&**store, Some(&*started.tokens)).await;
        let key = format!("{number}").parse().unwrap();
        store.put(&key, "new").await.unwrap();
        assert_eq!(store.get(&key).await.unwrap().unwrap().value, "new");
        store.delete(&key).await.unwrap();
    }
    let found = migrations(&url(&database)).await.unwrap();
    assert_eq!(names_of(&found, MigrationState::Newer), [FUTURE]);
    assert_eq!(migrate(&url(&database)).await.unwrap(), found);
}

#[tokio::test]
async fn a_server_fails_safely_on_a_schema_that_lacks_something() {
    for works_from in [None, Some(FUTURE)] {
        let database = at(&steps("postgres"));
        let running = open(url(&database)).await.unwrap();
        go_beyond(&database, "ALTER TABLE kv DROP COLUMN existed", works_from);
        let error = open(url(&database)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains(FUTURE), "{error}");
        // One that runs acknowledges nothing that it cannot do.
        let key = "k".parse().unwrap();
        let error = running.store.put(&key, "lost").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Internal, "{error:?}");
        assert_eq!(running.store.get(&key).await.unwrap(), None);
        contents::are_there(&*running.store, Some(&*running.tokens)).await;
    }
}
