//! Files that cannot be used, and two stores on one file.

use std::fs;

use diesel::connection::{Connection, SimpleConnection};
use diesel::sqlite::SqliteConnection;
use kverse_core::{ErrorKind, KvStore, KvStoreExt};
use kverse_store::sqlite::{SqliteConfig, SqliteStore};

use crate::fixture::{Fixture, key};

#[tokio::test]
async fn a_second_store_on_the_file_is_refused_and_told_why() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let path = fixture.path();
    let other_name = fixture.directory.path().join(".").join("kverse.db");
    for name in [path.clone(), other_name] {
        let error = SqliteStore::open(SqliteConfig::new(name))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let expected = format!(
            "{} is in use by another KVerse process (pid {}); stop it, or use its HTTP address",
            path.canonicalize().unwrap().display(),
            std::process::id()
        );
        assert_eq!(error.to_string(), expected);
    }
    store.put(&key("a"), "1").await.unwrap();
    drop(store);
    let store = fixture.open().await;
    assert!(store.get(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let fixture = Fixture::new();
    drop(fixture.open().await);
    fixture.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')");
    let error = fixture.open_error().await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "the database was made by a newer version of KVerse (schema 29991231000000); use that version or a later one"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let fixture = Fixture::new();
    let text = "not a database\n".repeat(1000);
    fs::write(fixture.path(), &text).unwrap();
    let error = fixture.open_error().await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let expected = format!(
        "cannot open {}: the file is not an SQLite database",
        fixture.path().display()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(fs::read_to_string(fixture.path()).unwrap(), text);
}

#[tokio::test]
async fn a_path_that_cannot_be_a_database_is_refused() {
    let fixture = Fixture::new();
    let directory = fixture.directory.path();
    for (path, text) in [
        (directory.to_owned(), "is a directory"),
        (directory.join("none").join("kverse.db"), "the directory"),
        (directory.join("a\0b"), "NUL byte"),
    ] {
        let error = SqliteStore::open(SqliteConfig::new(&path))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        let shown = directory.display().to_string();
        assert!(error.to_string().contains(&shown), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_database_is_reported_as_corrupt() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for number in 0..200 {
        store.put(&key(number), vec![b'x'; 1000]).await.unwrap();
    }
    drop(store);
    let mut bytes = fs::read(fixture.path()).unwrap();
    // Pages of the table and its index, not the schema on the first page.
    bytes[5 * 4096..].fill(0xa5);
    fs::write(fixture.path(), bytes).unwrap();
    let error = match SqliteStore::open(fixture.config()).await {
        Ok(store) => store.get(&key(100)).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn a_database_locked_by_another_program_is_unavailable_then_works_again() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let path = fixture.path();
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let error = store.put(&key("a"), "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), "another program has locked the database");
    other.batch_execute("ROLLBACK").unwrap();
    store.put(&key("a"), "1").await.unwrap();
}

#[tokio::test]
async fn two_stores_in_memory_are_two_stores() {
    let open = async || SqliteStore::open(SqliteConfig::in_memory()).await.unwrap();
    let (one, other) = (open().await, open().await);
    one.put(&key("a"), "1").await.unwrap();
    assert!(one.get(&key("a")).await.unwrap().is_some());
    assert!(other.get(&key("a")).await.unwrap().is_none());
    assert_eq!(one.to_string(), "sqlite::memory:");
    assert!(!one.capabilities().durable);
}
