use std::time::{Duration, Instant, SystemTime};

use kverse_core::cached::{CacheError, EpochCache, Fill, Finish, Lease, Lookup};
use kverse_core::{Entry, Key, Timestamp, Version};
use kverse_store::RedisUrl;
use kverse_store::redis::{ClusterCache, RedisCache, RedisOptions};
use kverse_store::testing::{RedisCluster, RedisServer};

/// Long enough for no marker of a test to lapse by itself.
pub(crate) const LONG: Duration = Duration::from_secs(600);

pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}

/// Time-outs that only a server that really does not answer exceeds, even on a busy machine.
pub(crate) fn patient() -> RedisOptions {
    RedisOptions::default().with_command_timeout(Duration::from_secs(5))
}

pub(crate) async fn connect(server: &RedisServer, options: RedisOptions) -> RedisCache {
    RedisCache::connect(&server.url(), options, now())
        .await
        .unwrap()
}

pub(crate) async fn connect_cluster(cluster: &RedisCluster, options: RedisOptions) -> ClusterCache {
    let url: RedisUrl = cluster.url().parse().unwrap();
    let cache = ClusterCache::connect(url.servers(), options, now());
    cache.await.unwrap()
}

/// A cache that has opened epoch 1.
pub(crate) async fn open(server: &RedisServer) -> RedisCache {
    let cache = connect(server, patient()).await;
    cache.open_epoch(1).await.unwrap();
    cache
}

pub(crate) fn admin(server: &RedisServer) -> redis::Connection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_connection().unwrap()
}

pub(crate) fn key(name: &str) -> Key {
    name.parse().unwrap()
}

pub(crate) fn entry(version: u64) -> Entry {
    Entry::new(format!("value {version}"), Version::new(version))
}

pub(crate) async fn look(cache: &dyn EpochCache, name: &str) -> Result<Lookup, CacheError> {
    Ok(cache.lookup(1, &[key(name)]).await?.remove(0))
}

pub(crate) async fn lease(cache: &dyn EpochCache, name: &str) -> Lease {
    match look(cache, name).await.unwrap() {
        Lookup::Miss(lease) => lease,
        other => panic!("{name}: {other:?}"),
    }
}

pub(crate) async fn fill(cache: &dyn EpochCache, name: &str, lease: Lease, found: Option<Entry>) {
    let fill = Fill {
        key: key(name),
        lease,
        found: Ok(found),
    };
    cache.fill(1, vec![fill]).await.unwrap();
}

/// Puts an entry into the cache as a write does.
pub(crate) async fn put(cache: &dyn EpochCache, name: &str, entry: Entry) {
    let attempt = rand::random();
    cache.mark(1, &[key(name)], attempt, LONG).await.unwrap();
    finish(cache, name, attempt, entry).await;
}

pub(crate) async fn finish(cache: &dyn EpochCache, name: &str, attempt: u64, entry: Entry) {
    let outcome = Finish::Done(entry.version, Some(entry));
    let outcomes = vec![(key(name), outcome)];
    cache.finish(1, attempt, outcomes).await.unwrap();
}

/// The slot of a name in a cluster, by its hash tag.
pub(crate) fn slot(name: &str) -> u16 {
    let tag = name.split(['{', '}']).nth(1).unwrap();
    crc::Crc::<u16>::new(&crc::CRC_16_XMODEM).checksum(tag.as_bytes()) % 16384
}

/// Polls until the closure says so; fails after 10 s.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
