//! Several replicas with the PostgreSQL and the Redis that they share.

use std::sync::Mutex;

use kverse_store::testing::{PostgresOptions, PostgresServer, RedisCluster, RedisServer};

use crate::replica::{RedisLink, Replica};

/// The name of the database.
pub(crate) const DATABASE: &str = "kverse";

/// Real servers, all of which end when this is dropped.
pub(crate) struct Cluster<R = RedisServer> {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) redis: R,
    /// The primary.
    pub(crate) postgres: PostgresServer,
    pub(crate) standby: Option<PostgresServer>,
}

/// What the cache is in.
pub(crate) trait Redis {
    fn start() -> Self;

    /// How a replica reaches it.
    fn link(&self) -> RedisLink;
}

const REDIS_OPTIONS: [&str; 2] = ["--maxmemory-policy", "volatile-lru"];

impl Redis for RedisServer {
    fn start() -> Self {
        Self::start_with(&REDIS_OPTIONS)
    }

    fn link(&self) -> RedisLink {
        RedisLink {
            scheme: "redis",
            address: self.address(),
        }
    }
}

impl Redis for RedisCluster {
    fn start() -> Self {
        Self::start_with(&REDIS_OPTIONS)
    }

    /// By the last node, which names the others.
    fn link(&self) -> RedisLink {
        RedisLink {
            scheme: "redis+cluster",
            address: self.nodes()[2 * Self::PRIMARIES - 1].address(),
        }
    }
}

impl Cluster {
    /// With a standby, which commits do not wait for yet.
    pub(crate) async fn start_with_standby(replicas: usize) -> Self {
        let postgres = start_postgres();
        let standby = postgres.start_standby(PostgresOptions::default());
        Self::start_on(replicas, postgres, Some(standby)).await
    }
}

impl<R: Redis> Cluster<R> {
    pub(crate) async fn start(replicas: usize) -> Self {
        Self::start_on(replicas, start_postgres(), None).await
    }

    async fn start_on(
        replicas: usize,
        postgres: PostgresServer,
        standby: Option<PostgresServer>,
    ) -> Self {
        let mut cluster = Self {
            replicas: Vec::new(),
            redis: R::start(),
            postgres,
            standby,
        };
        for _ in 0..replicas {
            let databases = [Some(&cluster.postgres), cluster.standby.as_ref()];
            let databases: Vec<_> = databases.into_iter().flatten().collect();
            let replica = Replica::start(&databases, cluster.redis.link()).await;
            cluster.replicas.push(replica);
        }
        cluster
    }
}

impl<R> Cluster<R> {
    /// Makes the standby the primary; the other one is gone.
    pub(crate) fn promote(&mut self) {
        self.postgres = self.standby.take().unwrap();
        self.postgres.promote();
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

fn start_postgres() -> PostgresServer {
    let postgres = PostgresServer::start(PostgresOptions::default());
    postgres.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
    postgres
}

impl<R> Drop for Cluster<R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (index, replica) in self.replicas.iter().enumerate() {
                println!("replica {index}:\n{}", replica.last_words());
            }
        }
    }
}

/// Clusters for one test after another: starting one takes seconds.
pub(crate) struct Pool<R = RedisServer> {
    free: Mutex<Vec<Cluster<R>>>,
}

impl<R> Default for Pool<R> {
    fn default() -> Self {
        Self {
            free: Mutex::default(),
        }
    }
}

impl<R: Redis> Pool<R> {
    /// A cluster of two replicas.
    pub(crate) async fn take(&self) -> Cluster<R> {
        let free = self.free.lock().unwrap().pop();
        match free {
            Some(cluster) => cluster,
            None => Cluster::start(2).await,
        }
    }

    /// To be given back only if everything in it is as it was.
    pub(crate) fn give_back(&self, cluster: Cluster<R>) {
        self.free.lock().unwrap().push(cluster);
    }
}
