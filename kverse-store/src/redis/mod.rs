//! Redis as the cache that replicas share.

mod breaker;
mod cluster;
mod commands;
#[cfg(feature = "postgres")]
mod configured;
mod connect;
mod encoding;
mod error;
mod info;
mod items;
mod link;
mod metrics;
mod options;
mod place;
mod server;
mod sweep;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kverse_core::cached::{CacheError, EpochCache, Fill, Finish, Lease, Lookup};
use kverse_core::{Entry, Key, Result, Timestamp, Version};
use prometheus::Registry;
use redis::{Cmd, Value, cmd};

pub use cluster::ClusterCache;
use commands::{Command, Request, Scripts};
#[cfg(feature = "postgres")]
pub(crate) use configured::ConfiguredCache;
use encoding::{Payload, Stored};
use items::{Item, MAX_KEYS, chunks};
use link::Link;
pub use options::RedisOptions;
use server::Server;

/// A cache in one Redis server (6 or later; it may have replicas, but is none), shared by all replicas of KVerse that are
/// given the same one. Several servers are a [`ClusterCache`].
///
/// # Reads
/// A hit is one plain `GET` (`MGET` for several keys). It does not look at the sentinel of its epoch, and need not:
/// - A connection is used for an epoch only after the sentinel there was found to name the very process at its other end.
///   Connections do not outlive the process, and are never made again behind our back; so a process that restarted, or
///   was restored from a snapshot or from another server, is found out before its first use.
/// - What removes the sentinel, like `FLUSHALL`, removes the entries too. Should an entry survive it, no write can be
///   marked any more, and an unmarked write waits until nobody serves hits of the epoch.
///
/// A proxy between KVerse and Redis must forward a connection to one server for as long as it lives.
///
/// # Memory
/// Markers have no expiry, so that `volatile-*` policies never evict them; `volatile-lru` is advised, and `allkeys-*` and
/// `volatile-ttl` are refused. `noeviction` is taken only without `maxmemory`: a full server that evicts nothing refuses to
/// mark writes, and the service would run without a cache until entries expire. Markers whose writers died stay until the
/// key is used again or the epoch is swept.
///
/// # Failures
/// Each tokio runtime has one connection, which its requests share. A request that fails leaves the caller with an error
/// within about the time of a command and, on a new connection, that of one more; after three failures in a row all fail
/// at once while a probe in the background asks, every 0.1 to 2 s, whether the server is back.
///
/// Must be used within a tokio runtime.
pub struct RedisCache {
    server: Arc<Server>,
    scripts: Arc<Scripts>,
    options: RedisOptions,
    address: String,
    sweeping: tokio::sync::Mutex<sweep::Position>,
}

impl RedisCache {
    /// No marker lives longer.
    const LONGEST_MARKER: Duration = Duration::from_secs(24 * 3600);

    /// Has the metrics `kverse_cache_command_duration_seconds`, `kverse_cache_command_errors_total`, `kverse_cache_garbage_total`
    /// and `kverse_cache_connections` in the registry.
    ///
    /// # Errors
    /// `Internal` if the registry has metrics of these names already.
    pub fn register(&self, registry: &Registry) -> Result<()> {
        self.server.metrics.register(registry)
    }

    /// Looks keys up. Not boxed as a trait's is: a cluster has boxed it already.
    async fn find(&self, epoch: u64, keys: &[Key]) -> Result<Vec<Lookup>, CacheError> {
        let mut found = Vec::with_capacity(keys.len());
        for keys in keys.chunks(MAX_KEYS) {
            let start = found.len();
            let mut missing = Vec::new();
            for (key, stored) in keys.iter().zip(self.get(epoch, keys).await?) {
                found.push(match stored {
                    Some(Stored::Known(entry)) => Lookup::Hit(entry),
                    other => {
                        missing.push((key, other == Some(Stored::Garbage)));
                        Lookup::Off
                    }
                });
            }
            if missing.is_empty() {
                continue;
            }
            // Boxed, so that a hit does not pay for its size.
            let mut leased = Box::pin(self.lease(epoch, &missing)).await?.into_iter();
            for place in &mut found[start..] {
                if *place == Lookup::Off {
                    *place = leased.next().unwrap_or(Lookup::Off);
                }
            }
        }
        Ok(found)
    }

    /// What plain gets find, in order.
    async fn get(&self, epoch: u64, keys: &[Key]) -> Result<Vec<Option<Stored>>, CacheError> {
        let request = |_: &Link| {
            let names = self.server.names(epoch);
            let bytes: usize = keys.iter().map(|key| names.of(key).len()).sum();
            let name = if keys.len() == 1 { "GET" } else { "MGET" };
            let mut get = Cmd::with_capacity(1 + keys.len(), name.len() + bytes);
            get.arg(name);
            for key in keys {
                get.arg(names.of(key));
            }
            Request::Command(get)
        };
        match self.server.query(epoch, Command::Get, request).await {
            Ok(Value::Array(found)) if found.len() == keys.len() => {
                Ok(found.into_iter().map(|value| self.stored(value)).collect())
            }
            Ok(found) if keys.len() == 1 => Ok(vec![self.stored(found)]),
            Ok(_) => Err(nonsense("MGET")),
            // Not a string, so nothing that KVerse wrote.
            Err(CacheError::Failed(why)) if keys.len() == 1 && why.contains("WRONGTYPE") => {
                Ok(vec![self.stored(Value::Int(0))])
            }
            Err(error) => Err(error),
        }
    }

    fn stored(&self, value: Value) -> Option<Stored> {
        let stored = match value {
            Value::Nil => return None,
            Value::BulkString(bytes) => encoding::decode(bytes),
            _ => Stored::Garbage,
        };
        if stored == Stored::Garbage {
            self.server.metrics.garbage.inc();
        }
        Some(stored)
    }

    /// Asks the script for keys that a plain get did not answer; `true` for those with garbage.
    async fn lease(&self, epoch: u64, keys: &[(&Key, bool)]) -> Result<Vec<Lookup>, CacheError> {
        let tokens: Vec<u64> = keys.iter().map(|_| rand::random()).collect();
        let request = |link: &Link| {
            let script = &self.scripts.lookup;
            let mut run = self.run(script, link, epoch, keys.iter().map(|(key, _)| *key));
            run.arg(millis(self.options.lease));
            for ((_, is_garbage), token) in keys.iter().zip(&tokens) {
                run.arg(token.to_be_bytes().as_slice())
                    .arg(u8::from(*is_garbage));
            }
            Request::Script(script, run)
        };
        let answer = self.server.query(epoch, Command::Lookup, request).await?;
        let Value::Array(answers) = answer else {
            return Err(nonsense("lookup"));
        };
        if answers.len() != keys.len() {
            return Err(nonsense("lookup"));
        }
        let lookup = |(answer, token)| match answer {
            Value::Int(1) => Lookup::Miss(Lease(token)),
            Value::Int(3) => Lookup::Bypass,
            Value::BulkString(_) => match self.stored(answer) {
                Some(Stored::Known(entry)) => Lookup::Hit(entry),
                _ => Lookup::Busy,
            },
            _ => Lookup::Busy,
        };
        Ok(answers.into_iter().zip(tokens).map(lookup).collect())
    }

    /// Has markers of an attempt lapse `lifetime` from now, by one of the scripts for that.
    async fn set_deadline(
        &self,
        (command, script): (Command, &redis::Script),
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        let lifetime = lifetime.min(Self::LONGEST_MARKER);
        let micros = u64::try_from(lifetime.as_micros()).unwrap_or(u64::MAX);
        for keys in keys.chunks(MAX_KEYS) {
            let request = |link: &Link| {
                let mut run = self.run(script, link, epoch, keys.iter());
                run.arg(attempt.to_be_bytes().as_slice()).arg(micros);
                Request::Script(script, run)
            };
            self.server.query(epoch, command, request).await?;
        }
        Ok(())
    }

    /// The command that has a script run on keys, with what the arguments of each script begin with.
    fn run<'a>(
        &self,
        script: &redis::Script,
        link: &Link,
        epoch: u64,
        keys: impl ExactSizeIterator<Item = &'a Key>,
    ) -> Cmd {
        let names = self.server.names(epoch);
        let mut run = cmd("EVALSHA");
        run.arg(script.get_hash())
            .arg(keys.len() + 1)
            .arg(names.sentinel());
        for key in keys {
            run.arg(names.of(key));
        }
        run.arg(link.identity());
        run
    }

    /// What to store, or nothing if it is too large.
    fn payload(&self, version: Version, found: Option<Entry>) -> Payload {
        let size = found.as_ref().map_or(0, |entry| entry.value.len());
        if size > self.options.max_value_bytes {
            return Payload::Nothing;
        }
        Payload::Known(version, found)
    }

    /// The longest times that entries and absences are kept, in ms.
    fn ttls(&self) -> [u64; 2] {
        [self.options.max_entry_ttl, self.options.max_absent_ttl].map(millis)
    }
}

#[async_trait]
impl EpochCache for RedisCache {
    /// To be called once, by whoever began the epoch: an epoch that was lost must not be opened again.
    async fn open_epoch(&self, epoch: u64) -> Result<(), CacheError> {
        let request = |link: &Link| {
            let mut set = cmd("SET");
            set.arg(self.server.names(epoch).sentinel())
                .arg(link.identity());
            Request::Command(set)
        };
        self.server.query_any(Command::Epoch, request).await?;
        // Remembers the process.
        self.server
            .query(epoch, Command::Epoch, |_| Request::Command(cmd("PING")))
            .await?;
        Ok(())
    }

    async fn run_id(&self) -> Result<String, CacheError> {
        let link = self.server.live_link().await?;
        Ok(link.identity().to_owned())
    }

    async fn inspect(&self) -> Result<Vec<Timestamp>, CacheError> {
        Ok(vec![self.inspect_server().await?])
    }

    async fn lookup(&self, epoch: u64, keys: &[Key]) -> Result<Vec<Lookup>, CacheError> {
        self.find(epoch, keys).await
    }

    async fn fill(&self, epoch: u64, fills: Vec<Fill>) -> Result<Vec<bool>, CacheError> {
        let mut filled = Vec::with_capacity(fills.len());
        let items = fills.into_iter().map(|fill| Item {
            key: fill.key,
            stamp: Some(fill.lease.0),
            payload: match fill.found {
                Ok(Some(entry)) => self.payload(entry.version, Some(entry)),
                Ok(None) => self.payload(Version::NONE, None),
                Err(_) => Payload::Nothing,
            },
        });
        for chunk in chunks(items) {
            let request = |link: &Link| {
                let script = &self.scripts.fill;
                let mut run = self.run(script, link, epoch, chunk.iter().map(|item| &item.key));
                run.arg(&self.ttls());
                for item in &chunk {
                    item.write_to(&mut run);
                }
                Request::Script(script, run)
            };
            match self.server.query(epoch, Command::Fill, request).await? {
                Value::Array(answers) if answers.len() == chunk.len() => {
                    filled.extend(answers.into_iter().map(|answer| answer == Value::Int(1)));
                }
                _ => return Err(nonsense("fill")),
            }
        }
        Ok(filled)
    }

    /// After a failure some of the keys may be marked: those markers lapse.
    async fn mark(
        &self,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        let mark = (Command::Mark, &self.scripts.mark);
        self.set_deadline(mark, epoch, keys, attempt, lifetime)
            .await
    }

    async fn renew(
        &self,
        epoch: u64,
        keys: &[Key],
        attempt: u64,
        lifetime: Duration,
    ) -> Result<(), CacheError> {
        let renew = (Command::Renew, &self.scripts.renew);
        self.set_deadline(renew, epoch, keys, attempt, lifetime)
            .await
    }

    /// The markers of writes whose outcome is unknown stay until they lapse.
    async fn finish(
        &self,
        epoch: u64,
        attempt: u64,
        outcomes: Vec<(Key, Finish)>,
    ) -> Result<(), CacheError> {
        let items = outcomes.into_iter().filter_map(|(key, outcome)| {
            let (version, payload) = match outcome {
                Finish::Done(version, entry) => (Some(version), self.payload(version, entry)),
                Finish::Uncached(version) => (Some(version), Payload::Nothing),
                Finish::NotDone => (None, Payload::Nothing),
                Finish::Unknown => return None,
            };
            Some(Item {
                key,
                stamp: version.map(Version::get),
                payload,
            })
        });
        for chunk in chunks(items) {
            let request = |link: &Link| {
                let script = &self.scripts.finish;
                let mut run = self.run(script, link, epoch, chunk.iter().map(|item| &item.key));
                run.arg(attempt.to_be_bytes().as_slice()).arg(&self.ttls());
                for item in &chunk {
                    item.write_to(&mut run);
                }
                Request::Script(script, run)
            };
            self.server.query(epoch, Command::Finish, request).await?;
        }
        Ok(())
    }

    async fn sweep(&self, epoch: u64) -> Result<bool, CacheError> {
        self.sweep_some(epoch).await
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}

fn nonsense(command: &str) -> CacheError {
    CacheError::Failed(format!("the answer to {command} makes no sense"))
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache")
            .field("address", &self.address)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis cache at {}", self.address)
    }
}
