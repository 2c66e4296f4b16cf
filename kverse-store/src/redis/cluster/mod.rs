//! The primaries of a Redis Cluster as one cache.

mod discovery;
mod report;
mod shape;
mod slots;
mod topology;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::join_all;
use kverse_core::cached::{CacheError, EpochCache, Fill, Finish, Lookup};
use kverse_core::{Error, Key, Result, Timestamp};
use prometheus::Registry;
use redis::{ConnectionAddr, IntoConnectionInfo};

use super::commands::{Command, Scripts};
use super::connect::{check_prefix, prepare_tls};
use super::metrics::Metrics;
use super::place::{Place, Process};
use super::{RedisCache, RedisOptions};
use discovery::{Access, Unknown, discover};
use report::Address;
use shape::Shape;
use topology::{Part, Shard, Topology};

/// A cache in the primaries of a Redis Cluster, shared by all replicas of KVerse that are given nodes of the same one.
///
/// Each primary is used as a [`RedisCache`] of its own, for the keys that fall to it: under a hash tag of its own, so that
/// what one script needs is in one slot. Nothing is asked of the cluster but to say which processes its primaries are; no
/// redirection is followed, and what a replica has is never believed: an epoch belongs to certain processes and to a certain
/// way to spread keys over them. When a replica is promoted, or slots in use move, the epoch ends with what it held.
///
/// # Failures
/// A primary that failed three times in a row is given up on, and with it the whole cache, until [`run_id`] finds that it
/// answers, or that the cluster has replaced it.
///
/// [`run_id`]: EpochCache::run_id
///
/// Must be used within a tokio runtime.
pub struct ClusterCache(Arc<Cluster>);

struct Cluster {
    access: Access,
    /// Nodes that the configuration names.
    seeds: Vec<Address>,
    options: RedisOptions,
    metrics: Arc<Metrics>,
    scripts: Arc<Scripts>,
    topology: RwLock<Option<Arc<Topology>>>,
    discovering: tokio::sync::Mutex<()>,
    /// When the last discovery that failed did so, and why.
    failure: Mutex<Option<(Instant, Arc<Unknown>)>>,
}

/// Why there is no topology.
enum Unfound {
    Unknown(Arc<Unknown>),
    /// For a reason of our own.
    Error(Error),
}

impl ClusterCache {
    /// The cache in the cluster of these nodes, each of which is given as for [`RedisCache::new`], without a database; user,
    /// password and TLS of the first are those of all nodes. One that answers is enough: it names the others. Connects when
    /// it is first used, or by [`check`](Self::check).
    ///
    /// # Errors
    /// `InvalidInput`, without the password, if a URL or an option is malformed.
    pub fn new<'a>(
        nodes: impl IntoIterator<Item = &'a str>,
        options: RedisOptions,
    ) -> Result<Self> {
        check_prefix(&options.prefix)?;
        // The crate's own error may repeat a part of the URL.
        let malformed = || {
            Error::invalid_input(
                "the URL of a node is malformed: expected redis://[user:password@]host[:port] or rediss://, without a database",
            )
        };
        let (mut template, mut seeds) = (None, Vec::new());
        for node in nodes {
            let info = node.into_connection_info();
            let info = info.ok().filter(|info| info.redis_settings().db() == 0);
            let info = info.ok_or_else(malformed)?;
            let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) =
                info.addr()
            else {
                return Err(malformed());
            };
            seeds.push(Address {
                host: host.clone(),
                port: *port,
            });
            template.get_or_insert(info);
        }
        let template = template.ok_or_else(malformed)?;
        prepare_tls(&template);
        Ok(Self(Arc::new(Cluster {
            access: Access::new(template, &options),
            seeds,
            options,
            metrics: Arc::new(Metrics::new()?),
            scripts: Arc::default(),
            topology: RwLock::default(),
            discovering: tokio::sync::Mutex::default(),
            failure: Mutex::default(),
        })))
    }

    /// The same, connected and checked.
    ///
    /// # Errors
    /// Those of [`new`](Self::new) and [`check`](Self::check).
    pub async fn connect<'a>(
        nodes: impl IntoIterator<Item = &'a str>,
        options: RedisOptions,
        database_now: Timestamp,
    ) -> Result<Self> {
        let cache = Self::new(nodes, options)?;
        cache.check(database_now).await?;
        Ok(cache)
    }

    /// Finds the primaries, connects to them, and checks that they can be the cache of a database whose time is
    /// `database_now`.
    ///
    /// # Errors
    /// As [`RedisCache::check`], for each of them; `Unsupported` if it is no cluster.
    pub async fn check(&self, database_now: Timestamp) -> Result<()> {
        let start = Instant::now();
        // Boxed: who opens a store would carry all that this waits for.
        let topology = Box::pin(self.0.current())
            .await
            .map_err(|unfound| match unfound {
                Unfound::Unknown(why) => why.to_error(&self.0.to_string()),
                Unfound::Error(error) => error,
            })?;
        let now = database_now.saturating_add(start.elapsed());
        let checks = topology.shards.iter().map(|shard| shard.cache.check(now));
        Box::pin(join_all(checks)).await.into_iter().collect()
    }

    /// As [`RedisCache::register`]: the commands to all nodes count together.
    ///
    /// # Errors
    /// `Internal` if the registry has metrics of these names already.
    pub fn register(&self, registry: &Registry) -> Result<()> {
        self.0.metrics.register(registry)
    }

    /// Of how many primaries it is now; 0 before they were found.
    pub fn shards(&self) -> usize {
        let topology = self.0.topology();
        topology.map_or(0, |topology| topology.shards.len())
    }

    /// Where the cluster keeps a key of an epoch, for tests that look behind the cache: the node, and the name there.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn place(&self, epoch: u64, key: &str) -> Option<(String, String)> {
        let topology = self.0.topology()?;
        let shard = topology.shard(&key.parse().ok()?);
        let name = shard.cache.server.place.name();
        Some((shard.address.to_string(), format!("{name}:{epoch}:{key}")))
    }

    /// The topology, if it was found before: requests do not wait for that. They fail at once while one of the nodes is
    /// given up on, whichever they need: what the others answer would hide that keys of this one cannot be written.
    fn topology(&self) -> Result<Arc<Topology>, CacheError> {
        let topology = self.0.topology().ok_or_else(|| {
            CacheError::Unreachable("the nodes of the cluster are not known yet".to_owned())
        })?;
        match topology.shards.iter().find(|shard| shard.is_given_up()) {
            None => Ok(topology),
            Some(shard) => Err(CacheError::Unreachable(format!(
                "{}: it failed several times",
                shard.address
            ))),
        }
    }

    /// Marks keys, or renews their markers, in every shard that has some of them.
    async fn set_deadline(
        &self,
        command: Command,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        let topology = self.topology()?;
        let parts = topology.parts(keys.iter().cloned(), |key| key);
        let asked = parts.iter().map(|part| {
            let (cache, keys) = (&part.shard.cache, &part.items);
            let asked = match command {
                Command::Renew => cache.renew(epoch, keys, attempt, lifetime),
                _ => cache.mark(epoch, keys, attempt, lifetime),
            };
            (part.shard, asked)
        });
        Self::all(asked).await?;
        Ok(())
    }

    /// Waits for what all of these are asked; the first error of any.
    async fn all<'a, T, F>(
        asked: impl IntoIterator<Item = (&'a Shard, F)>,
    ) -> Result<Vec<T>, CacheError>
    where
        F: Future<Output = Result<T, CacheError>>,
    {
        let asked = asked
            .into_iter()
            .map(async |(shard, asked)| asked.await.map_err(|error| shard.named(error)));
        join_all(asked).await.into_iter().collect()
    }
}

impl Cluster {
    fn topology(&self) -> Option<Arc<Topology>> {
        let topology = self.topology.read().unwrap_or_else(PoisonError::into_inner);
        topology.as_ref().map(Arc::clone)
    }

    /// The topology that the nodes agree on now. If they cannot say so it is looked for, once for all who ask, in a task of
    /// its own, which may take longer than the caller waits.
    async fn current(self: &Arc<Self>) -> Result<Arc<Topology>, Unfound> {
        let (known, wanted) = (self.topology(), Instant::now());
        let mut reports = BTreeMap::new();
        if let Some(known) = &known {
            let answers = join_all(known.shards.iter().map(Shard::report)).await;
            let answers = answers.into_iter().flatten();
            reports.extend(answers.map(|report| (report.id.clone(), report)));
            if Shape::agreed(&reports).is_ok_and(|shape| shape.digest() == known.digest) {
                return Ok(Arc::clone(known));
            }
        }
        let cluster = Arc::clone(self);
        let discovered = tokio::spawn(async move {
            let _turn = cluster.discovering.lock().await;
            let failure = cluster.failure.lock();
            if let Some((at, why)) = &*failure.unwrap_or_else(PoisonError::into_inner)
                && *at >= wanted
            {
                return Err(Unfound::Unknown(Arc::clone(why)));
            }
            cluster.discover(reports).await
        });
        match discovered.await {
            Ok(result) => result,
            Err(ended) => Err(Unfound::Error(super::connect::failed(
                &self.to_string(),
                &ended,
            ))),
        }
    }

    async fn discover(
        &self,
        reports: BTreeMap<String, report::Report>,
    ) -> Result<Arc<Topology>, Unfound> {
        let known = self.topology();
        let nodes = known.iter().flat_map(|known| known.nodes.iter());
        let nodes: Vec<Address> = nodes.chain(&self.seeds).cloned().collect();
        let shape = match discover(&self.access, nodes, reports).await {
            Ok(shape) => shape,
            Err(why) => {
                let why = Arc::new(why);
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                *failure = Some((Instant::now(), Arc::clone(&why)));
                return Err(Unfound::Unknown(why));
            }
        };
        let digest = shape.digest();
        let addresses = shape.members.iter().map(|member| &member.address);
        if let Some(known) = known
            && known.digest == digest
            && addresses.eq(known.shards.iter().map(|shard| &shard.address))
        {
            return Ok(known);
        }
        let topology = Arc::new(self.build(shape, digest).map_err(Unfound::Error)?);
        let shards: Vec<_> = topology.shards.iter().map(|shard| &shard.address).collect();
        tracing::info!(
            ?shards,
            "the primaries of the Redis cluster have been found"
        );
        let mut place = self
            .topology
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Some(Arc::clone(&topology));
        Ok(topology)
    }

    /// Nothing of another topology is used again, no link either: what was found out about those belongs to epochs of that
    /// other one.
    fn build(&self, shape: Shape, digest: String) -> Result<Topology> {
        let shard = |member: shape::Member| {
            let place = Place {
                prefix: self.options.prefix.clone(),
                tag: member.tag,
                process: Process::Primary {
                    run_id: member.run_id,
                    topology: digest.clone(),
                },
            };
            let cache = RedisCache::at(
                self.access.to(&member.address),
                place,
                self.options.clone(),
                Arc::clone(&self.metrics),
                Arc::clone(&self.scripts),
            )?;
            Ok(Shard {
                cache,
                address: member.address,
            })
        };
        let shards = shape.members.into_iter().map(shard).collect::<Result<_>>();
        Ok(Topology {
            shards: shards?,
            nodes: shape.nodes.into_iter().collect(),
            digest,
        })
    }
}

#[async_trait]
impl EpochCache for ClusterCache {
    /// To be called once, by whoever began the epoch: an epoch that was lost must not be opened again.
    async fn open_epoch(&self, epoch: u64) -> Result<(), CacheError> {
        let topology = self.topology()?;
        let shards = topology.shards.iter();
        Self::all(shards.map(|shard| (shard, shard.cache.open_epoch(epoch)))).await?;
        Ok(())
    }

    /// Names the processes, and how keys are spread over them; asks all of them in any case.
    async fn run_id(&self) -> Result<String, CacheError> {
        match self.0.current().await {
            Ok(topology) => Ok(topology.digest.clone()),
            Err(Unfound::Unknown(why)) => Err(why.to_cache_error()),
            Err(Unfound::Error(error)) => Err(CacheError::Failed(error.to_string())),
        }
    }

    async fn inspect(&self) -> Result<Vec<Timestamp>, CacheError> {
        let topology = self.topology()?;
        let shards = topology.shards.iter();
        Self::all(shards.map(|shard| (shard, shard.cache.inspect_server()))).await
    }

    async fn probe(&self, epoch: u64, key: &Key) -> Result<(), CacheError> {
        let topology = self.topology()?;
        let shards = topology.shards.iter();
        Self::all(shards.map(|shard| (shard, shard.cache.probe(epoch, key)))).await?;
        Ok(())
    }

    async fn lookup(&self, epoch: u64, keys: &[Key]) -> Result<Vec<Lookup>, CacheError> {
        let topology = self.topology()?;
        if let [key] = keys {
            let shard = topology.shard(key);
            let found = shard.cache.find(epoch, keys).await;
            return found.map_err(|error| shard.named(error));
        }
        let parts = topology.parts(keys.iter().cloned(), |key| key);
        let asked = parts.iter().map(|part| {
            let found = part.shard.cache.lookup(epoch, &part.items);
            (part.shard, found)
        });
        let found = Self::all(asked).await?;
        Ok(together(&parts, found, Lookup::Off))
    }

    async fn fill(&self, epoch: u64, fills: Vec<Fill>) -> Result<Vec<bool>, CacheError> {
        let topology = self.topology()?;
        let mut parts = topology.parts(fills, |fill| &fill.key);
        let asked = parts.iter_mut().map(|part| {
            let fills = std::mem::take(&mut part.items);
            (part.shard, part.shard.cache.fill(epoch, fills))
        });
        let filled = Self::all(asked).await?;
        Ok(together(&parts, filled, false))
    }

    /// After a failure some of the keys may be marked: those markers lapse.
    async fn mark(
        &self,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        self.set_deadline(Command::Mark, epoch, keys, attempt, lifetime)
            .await
    }

    async fn renew(
        &self,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        self.set_deadline(Command::Renew, epoch, keys, attempt, lifetime)
            .await
    }

    /// The markers of writes whose outcome is unknown stay until they lapse.
    async fn finish(
        &self,
        epoch: u64,
        attempt: u64,
        outcomes: Vec<(Key, Finish)>,
    ) -> Result<(), CacheError> {
        let topology = self.topology()?;
        let parts = topology.parts(outcomes, |(key, _)| key);
        let asked = parts.into_iter().map(|part| {
            let cache = &part.shard.cache;
            (part.shard, cache.finish(epoch, attempt, part.items))
        });
        Self::all(asked).await?;
        Ok(())
    }

    async fn sweep(&self, epoch: u64) -> Result<bool, CacheError> {
        let topology = self.topology()?;
        let shards = topology.shards.iter();
        let more = Self::all(shards.map(|shard| (shard, shard.cache.sweep_some(epoch)))).await?;
        Ok(more.contains(&true))
    }
}

/// What the parts answered, in the order of what was asked.
fn together<T: Clone, I>(parts: &[Part<'_, I>], answers: Vec<Vec<T>>, missing: T) -> Vec<T> {
    let count = parts.iter().map(|part| part.places.len()).sum();
    let mut all = vec![missing; count];
    for (part, answers) in parts.iter().zip(answers) {
        for (place, answer) in part.places.iter().zip(answers) {
            all[*place] = answer;
        }
    }
    all
}

impl fmt::Debug for ClusterCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterCache")
            .field("nodes", &self.0.seeds)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ClusterCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis cluster at {}", self.0)
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds: Vec<_> = self.seeds.iter().map(ToString::to_string).collect();
        f.write_str(&seeds.join(","))
    }
}
