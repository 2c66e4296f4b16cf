//! A way past a cache to what Redis holds.

use std::collections::HashMap;
use std::sync::Mutex;

use kverse_core::Key;
use kverse_store::redis::ClusterCache;
use kverse_store::testing::{RedisCluster, RedisServer};

/// Connections to the servers of a cache.
pub(crate) struct Behind<'a> {
    servers: Mutex<HashMap<String, redis::Connection>>,
    cluster: Option<&'a ClusterCache>,
}

impl<'a> Behind<'a> {
    pub(crate) fn server(server: &RedisServer) -> Self {
        Self::new([server], None)
    }

    /// Behind a cache in the first primaries of a cluster.
    pub(crate) fn cluster(cluster: &RedisCluster, cache: &'a ClusterCache) -> Self {
        let primaries = &cluster.nodes()[..RedisCluster::PRIMARIES];
        Self::new(primaries, Some(cache))
    }

    fn new<'s>(
        servers: impl IntoIterator<Item = &'s RedisServer>,
        cluster: Option<&'a ClusterCache>,
    ) -> Self {
        let connect =
            |server: &RedisServer| (server.address().to_string(), crate::common::admin(server));
        Self {
            servers: Mutex::new(servers.into_iter().map(connect).collect()),
            cluster,
        }
    }

    /// Does something where a key is.
    pub(crate) fn at(&self, epoch: u64, key: &Key, act: impl FnOnce(&mut redis::Connection, &str)) {
        let mut servers = self.servers.lock().unwrap();
        match self.cluster {
            Some(cluster) => {
                let (address, place) = cluster.place(epoch, key.as_str()).unwrap();
                act(servers.get_mut(&address).unwrap(), &place);
            }
            None => {
                let server = servers.values_mut().next().unwrap();
                act(server, &format!("kv:{epoch}:{key}"));
            }
        }
    }

    /// Empties all servers.
    pub(crate) fn flush(&self) {
        for server in self.servers.lock().unwrap().values_mut() {
            redis::cmd("FLUSHALL").query::<()>(server).unwrap();
        }
    }
}
