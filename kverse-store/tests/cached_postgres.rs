//! PostgreSQL with Redis in front, as `open` puts them together.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use kverse_core::{CacheStatus, Key, KvStore, KvStoreExt, PutOptions};
use kverse_store::postgres::{PostgresConfig, PostgresStore};
use kverse_store::testing::{PostgresServer, RedisServer, TcpProxy};
use kverse_store::{StoreConfig, open};
use tokio::time::sleep;

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

async fn cached(database_url: &str, redis_url: &str) -> Arc<dyn KvStore> {
    let redis_url = Some(redis_url.parse().unwrap());
    let config = StoreConfig::new(database_url.parse().unwrap()).with_redis_url(redis_url);
    open(&config).await.unwrap()
}

/// Reads until the cache answers. What it says.
async fn hit(store: &Arc<dyn KvStore>, name: &str) -> Option<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let read = store.lookup(&key(name)).await.unwrap();
        if read.cache == CacheStatus::Hit {
            let text = |entry: kverse_core::Entry| String::from_utf8(entry.value.to_vec()).unwrap();
            return read.entry.map(text);
        }
        assert!(Instant::now() < deadline, "no hit of {name}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_that_share_a_redis_do_not_see_each_others_entries() {
    let server = PostgresServer::shared();
    let databases = [server.create_database(), server.create_database()];
    let redis = RedisServer::start();
    let mut stores = Vec::new();
    for database in &databases {
        stores.push(cached(&database.url(), &redis.url()).await);
    }
    stores[0].put(&key("k"), "first").await.unwrap();
    stores[0].put(&key("only first"), "1").await.unwrap();
    stores[1].put(&key("k"), "second").await.unwrap();
    for (store, value) in stores.iter().zip(["first", "second"]) {
        assert_eq!(hit(store, "k").await.as_deref(), Some(value));
    }
    assert_eq!(hit(&stores[0], "only first").await.as_deref(), Some("1"));
    assert_eq!(hit(&stores[1], "only first").await, None);
}

async fn identity(url: &str) -> String {
    let config = PostgresConfig::new(url.parse().unwrap());
    let store = PostgresStore::open(config).await.unwrap();
    store.identity().await.unwrap()
}

#[tokio::test]
async fn an_identity_is_that_of_one_database() {
    let server = PostgresServer::shared();
    let (database, other) = (server.create_database(), server.create_database());
    let first = identity(&database.url()).await;
    assert_eq!(first.len(), 16);
    assert_eq!(identity(&database.url()).await, first);
    let second = identity(&other.url()).await;
    assert_ne!(second, first);
    // A copy of the data elsewhere.
    let stored = database.sql("SELECT value FROM meta WHERE name = 'identity'");
    other.sql(&format!(
        "UPDATE meta SET value = {stored} WHERE name = 'identity'"
    ));
    assert_ne!(identity(&other.url()).await, first);
    // Made anew, in the same place.
    database.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    assert_ne!(identity(&database.url()).await, first);
    // Without the right to see the number of the server.
    other.sql("CREATE ROLE plain LOGIN; GRANT ALL ON SCHEMA public TO plain; GRANT ALL ON ALL TABLES IN SCHEMA public TO plain");
    other.sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC");
    let plain = other.url().replace("kverse@", "plain@");
    assert_eq!(identity(&plain).await.len(), 16);
}

/// A cache that does not answer costs a read some tenths of a second a few times, then nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_does_not_answer_hardly_delays_reads() {
    let database = PostgresServer::shared().create_database();
    let redis = RedisServer::start();
    let proxy = TcpProxy::start(redis.address()).await;
    let url = format!("redis://{}", proxy.address());
    let store = cached(&database.url(), &url).await;
    store.put(&key("k"), "value").await.unwrap();
    hit(&store, "k").await;

    proxy.hold();
    let mut slow = Vec::new();
    let (start, mut reads) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(4) {
        let began = Instant::now();
        let read = store.lookup(&key("k")).await.unwrap();
        assert_eq!(read.entry.unwrap().value, "value");
        let took = began.elapsed();
        assert!(took < Duration::from_millis(500), "{took:?}");
        if took > Duration::from_millis(50) {
            slow.push(took);
        }
        reads += 1;
        sleep(Duration::from_millis(1)).await;
    }
    println!("of {reads} reads, these were slow: {slow:?}");
    assert!(slow.len() <= 10, "{slow:?}");

    proxy.mend();
    hit(&store, "k").await;
}

/// Expiry follows the clock of the database, also for what the cache holds.
#[tokio::test(flavor = "multi_thread")]
async fn what_expires_is_gone_from_the_cache_by_the_clock_of_the_database() {
    let database = PostgresServer::shared().create_database();
    let redis = RedisServer::start();
    let an_hour_ahead = kverse_core::ManualClock::default();
    an_hour_ahead.set(
        kverse_core::Timestamp::from(std::time::SystemTime::now())
            .saturating_add(Duration::from_secs(3600)),
    );
    let config = StoreConfig::new(database.url().parse().unwrap())
        .with_redis_url(Some(redis.url().parse().unwrap()))
        .with_clock(Arc::new(an_hour_ahead));
    let store = open(&config).await.unwrap();
    let options = PutOptions::default().with_ttl(Duration::from_secs(600));
    store.put_opts(&key("k"), "value", options).await.unwrap();
    assert_eq!(hit(&store, "k").await.as_deref(), Some("value"));
}
