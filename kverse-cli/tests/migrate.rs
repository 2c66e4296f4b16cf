//! Schemas, apart from those who use them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/server.rs"]
mod server;

use common::cli;
use kverse_store::testing::PostgresServer;
use server::TestServer;

#[test]
fn a_file_is_made_and_said_to_be_up_to_date_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("kverse.db");
    let url = format!("sqlite:{}", file.display());
    let status = || cli(&url, &["migrate", "--status"]).text();
    assert!(status().starts_with("2026-11-23-000000_create_kv: pending\n"));
    assert!(!file.exists(), "only asked");
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    let done = cli(&url, &["migrate"]).text();
    assert!(
        done.lines().all(|line| line.ends_with(": applied now")),
        "{done}"
    );
    assert_eq!(status(), done.replace("applied now", "applied"));
    assert_eq!(cli(&url, &["migrate"]).text(), status());
    let json = cli(&url, &["migrate", "-o", "json"]).text();
    let first = "{\"migration\":\"2026-11-23-000000_create_kv\",\"state\":\"applied\"}\n";
    assert!(json.starts_with(first), "{json}");
    cli(&url, &["put", "k", "value"]).text();
}

#[test]
fn a_store_without_a_database_has_nothing_to_migrate() {
    for url in ["memory:", "http://127.0.0.1:1", "sqlite::memory:"] {
        cli(url, &["migrate"]).failed(2, "has no schema to migrate");
        cli(url, &["migrate", "--status"]).failed(2, "has no schema to migrate");
    }
}

#[test]
fn a_schema_of_a_newer_version_is_refused() {
    let database = PostgresServer::shared().create_database();
    cli(&database.url(), &["migrate"]).text();
    database.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')");
    for command in [&["migrate"][..], &["migrate", "--status"], &["get", "k"]] {
        cli(&database.url(), command).failed(
            1,
            "made by a newer version of KVerse (schema 29991231000000)",
        );
    }
}

#[test]
fn servers_may_be_users_who_only_read_and_write() {
    let database = PostgresServer::shared().create_database();
    let owner = database.url();
    database.sql("DROP ROLE IF EXISTS plain; CREATE ROLE plain LOGIN; REVOKE CREATE ON SCHEMA public FROM public");
    let plain = owner.replace("kverse@", "plain@");

    // They say what is missing, and change nothing.
    let pending = cli(&plain, &["migrate", "--status"]).text();
    assert!(
        pending.lines().all(|line| line.ends_with(": pending")),
        "{pending}"
    );
    let message = "this user may not change it (permission denied for schema public): run `kverse-cli migrate`";
    cli(&plain, &["get", "k"]).failed(2, message);
    cli(&plain, &["migrate"]).failed(2, message);

    cli(&owner, &["migrate"]).text();
    database.sql(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO plain; \
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO plain",
    );
    let applied = pending.replace("pending", "applied");
    assert_eq!(cli(&plain, &["migrate", "--status"]).text(), applied);
    assert_eq!(cli(&plain, &["migrate"]).text(), applied);
    cli(&plain, &["put", "k", "value"]).text();

    let server = TestServer::start(&["--database-url", &plain]);
    assert_eq!(cli(&server.url, &["get", "k"]).text(), "value");
    cli(&server.url, &["put", "expiring", "value", "--ttl", "1ms"]).text();
    cli(&server.url, &["delete", "k"]).text();
    cli(&server.url, &["list"]).text();
    cli(&server.url, &["stats"]).text();
    assert_eq!(
        cli(&server.url, &["health", "-o", "json"]).json()["status"],
        "ok"
    );
    drop(server);
    // The migrations are still the owner's business.
    database.sql("DELETE FROM __diesel_schema_migrations WHERE version = '20261124000000'");
    cli(&plain, &["get", "k"]).failed(2, "run `kverse-cli migrate`");
    database.sql("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM plain; REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM plain; DROP ROLE plain");
}
