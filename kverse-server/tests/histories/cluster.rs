//! Several replicas with the PostgreSQL and the Redis that they share.

use std::sync::Mutex;

use kverse_store::testing::{PostgresOptions, PostgresServer, RedisServer};

use crate::replica::Replica;

/// The name of the database.
pub(crate) const DATABASE: &str = "kverse";

/// Real servers, all of which end when this is dropped.
pub(crate) struct Cluster {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) redis: RedisServer,
    pub(crate) postgres: PostgresServer,
}

impl Cluster {
    pub(crate) async fn start(replicas: usize) -> Self {
        let postgres = PostgresServer::start(PostgresOptions::default());
        postgres.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
        let redis = RedisServer::start_with(&["--maxmemory-policy", "volatile-lru"]);
        let mut cluster = Self {
            replicas: Vec::new(),
            redis,
            postgres,
        };
        for _ in 0..replicas {
            let replica = Replica::start(&cluster.postgres, &cluster.redis).await;
            cluster.replicas.push(replica);
        }
        cluster
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.replicas.iter().map(Replica::url).collect()
    }

    /// The sum of a metric over all replicas, each of which must have it.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let mut sum = 0.0;
        for replica in &self.replicas {
            let answer = reqwest::get(format!("{}/metrics", replica.url())).await;
            let text = answer.unwrap().text().await.unwrap();
            let value = text.lines().find_map(|line| line.strip_prefix(name));
            let value = value.unwrap_or_else(|| panic!("there is no metric {name}"));
            sum += value.trim().parse::<f64>().unwrap();
        }
        sum
    }

    /// The epoch of the cache, as the database has it.
    pub(crate) fn epoch(&self) -> u64 {
        let epoch = self.postgres.sql(DATABASE, "SELECT epoch FROM cache_mode");
        epoch.parse().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (index, replica) in self.replicas.iter().enumerate() {
                println!("replica {index}:\n{}", replica.last_words());
            }
        }
    }
}

/// Clusters for one test after another: starting one takes seconds.
#[derive(Default)]
pub(crate) struct Pool {
    free: Mutex<Vec<Cluster>>,
}

impl Pool {
    /// A cluster of two replicas.
    pub(crate) async fn take(&self) -> Cluster {
        let free = self.free.lock().unwrap().pop();
        match free {
            Some(cluster) => cluster,
            None => Cluster::start(2).await,
        }
    }

    /// To be given back only if everything in it is as it was.
    pub(crate) fn give_back(&self, cluster: Cluster) {
        self.free.lock().unwrap().push(cluster);
    }
}
