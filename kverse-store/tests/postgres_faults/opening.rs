//! Opening a database that is not as it should be, and many stores that open it at once.

use std::time::{Duration, Instant};

use kverse_core::{ErrorKind, KvStoreExt};
use kverse_store::postgres::PostgresStore;
use kverse_store::testing::{PostgresServer, TcpProxy};
use tokio::task::JoinSet;

use crate::common::{config, key, open};

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_at_once_migrate_once() {
    let database = PostgresServer::shared().create_database();
    let mut opening = JoinSet::new();
    for _ in 0..6 {
        opening.spawn(PostgresStore::open(config(&database.url())));
    }
    for store in opening.join_all().await {
        store.unwrap().put(&key("k"), "value").await.unwrap();
    }
}

#[tokio::test]
async fn opening_fails_with_a_clear_message_and_without_the_password() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    server.sql("postgres", "CREATE ROLE guarded LOGIN PASSWORD 'right'");
    let address = server.address();
    let closed = "127.0.0.1:1";
    let guarded =
        |password, address: &str, name| format!("postgresql://guarded:{password}@{address}/{name}");
    let here = address.to_string();
    for (url, kind, expected) in [
        (
            guarded("wr0ng", &here, database.name()),
            ErrorKind::InvalidInput,
            "password authentication failed",
        ),
        (
            guarded("right", &here, "nowhere"),
            ErrorKind::InvalidInput,
            "database \"nowhere\" does not exist",
        ),
        (
            guarded("wr0ng", closed, database.name()),
            ErrorKind::Unavailable,
            "Connection refused",
        ),
        (
            guarded("right", &here, database.name()),
            ErrorKind::InvalidInput,
            "permission denied for schema public",
        ),
        (
            guarded("wr0ng", &here, "d?sslmode=require"),
            ErrorKind::Unavailable,
            "server does not support TLS",
        ),
    ] {
        let started = Instant::now();
        let error = PostgresStore::open(config(&url)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        let message = error.to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.contains("guarded:***@"), "{message}");
        assert!(!format!("{error:?}").contains("wr0ng"), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let database = PostgresServer::shared().create_database();
    drop(open(&database.url()).await);
    database.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')");
    let error = PostgresStore::open(config(&database.url()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().contains("newer version of KVerse"),
        "{error}"
    );
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_given_up() {
    let server = PostgresServer::shared();
    let database = server.create_database();
    let proxy = TcpProxy::start(server.address()).await;
    proxy.hold();
    let url = server.url_at(proxy.address(), database.name());
    let config = config(&url).with_connection_wait(Duration::from_millis(300));
    let error = PostgresStore::open(config).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("within 300ms"), "{error}");
}
