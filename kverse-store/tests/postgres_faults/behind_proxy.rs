//! A store behind a proxy.

use std::time::Duration;

use kverse_core::KvStoreExt;
use kverse_store::postgres::PostgresStore;
use kverse_store::testing::{PostgresServer, TcpProxy};

use crate::common::{config, exists, key};

/// A store whose link to its database can fail.
pub(crate) struct BehindProxy {
    pub(crate) proxy: TcpProxy,
    pub(crate) store: PostgresStore,
    pub(crate) database: kverse_store::testing::TestDatabase<'static>,
}

impl BehindProxy {
    pub(crate) async fn start() -> Self {
        let server = PostgresServer::shared();
        let database = server.create_database();
        let proxy = TcpProxy::start(server.address()).await;
        let url = server.url_at(proxy.address(), database.name());
        // The connection that broke must not be in the way of finding out what became of its write.
        let config = config(&url)
            .with_write_fence(Duration::from_millis(500))
            .with_max_connections(1);
        let store = PostgresStore::open(config).await.unwrap();
        // So that connections and statements are ready.
        store.put(&key("warm"), "up").await.unwrap();
        store.put_opts(&key("warm"), "up", exists()).await.unwrap();
        Self {
            proxy,
            store,
            database,
        }
    }
}
