//! The pool of connections: bounded, and independent of the runtimes that use it.

use std::sync::Arc;
use std::time::Duration;

use kverse_core::{ErrorKind, KvStore, KvStoreExt};
use kverse_store::postgres::PostgresStore;
use kverse_store::testing::PostgresServer;
use tokio::time::timeout;

use crate::behind_proxy::BehindProxy;
use crate::common::{config, exists, key, open, until_ok};

#[tokio::test]
async fn an_overloaded_pool_refuses_in_time() {
    let fixture = BehindProxy::start().await;
    let url = PostgresServer::shared().url_at(fixture.proxy.address(), fixture.database.name());
    let config = config(&url)
        .with_max_connections(1)
        .with_connection_wait(Duration::from_millis(300));
    let store = PostgresStore::open(config).await.unwrap();
    store.get(&key("warm")).await.unwrap();
    let registry = prometheus::Registry::new();
    store.register(&registry).unwrap();
    let metrics = || {
        let encoder = prometheus::TextEncoder::new();
        encoder.encode_to_string(&registry.gather()).unwrap()
    };
    let idle = r#"kverse_postgres_connections{state="idle"} 1"#;
    assert!(metrics().contains(idle), "{}", metrics());
    fixture.proxy.hold();
    let key = key("warm");
    let (slow, refused, ()) = tokio::join!(
        timeout(Duration::from_secs(1), store.get(&key)),
        store.get(&key),
        async {
            let text = metrics();
            for expected in [
                r#"kverse_postgres_connections{state="in_use"} 1"#,
                "kverse_postgres_connections_limit 1",
                "kverse_postgres_connections_waiting 1",
            ] {
                assert!(text.contains(expected), "{expected} is missing in {text}");
            }
        }
    );
    assert!(slow.is_err(), "the held connection answered");
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(
        error.to_string().contains("none of 1 connections"),
        "{error}"
    );
    fixture.proxy.mend();
    until_ok(async || store.get(&key).await).await;
}

/// A web server's workers have runtimes of their own, which end before the store does.
#[test]
fn a_store_serves_runtimes_that_come_and_go() {
    let database = PostgresServer::shared().create_database();
    let main = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let store = main.block_on(open(&database.url()));
    for round in 0..3 {
        let store = Arc::clone(&store);
        let worker = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                store.put(&key(round), "value").await.unwrap();
                store
                    .put_opts(&key(round), "value", exists())
                    .await
                    .unwrap();
                store.get(&key(round)).await.unwrap().unwrap();
            });
        });
        worker.join().unwrap();
    }
    main.block_on(async {
        assert_eq!(store.stats().await.unwrap().items, 3);
        let connections = database.sql(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        // The one that every runtime used, and the one of the migrations if it has not ended yet.
        assert!(["1", "2"].contains(&connections.as_str()), "{connections}");
    });
}
