//! What the interleavings leave out: encodings, times to live, batches, garbage, scripts.

use std::time::Duration;

use kverse_core::cached::{CacheError, EpochCache, Fill, Finish, Lookup};
use kverse_core::{Entry, Key, Version};
use kverse_store::redis::RedisOptions;
use kverse_store::testing::RedisServer;
use prometheus::Registry;

use crate::common::{
    LONG, admin, connect, entry, fill, finish, key, lease, look, now, open, patient, put, until,
};

fn ttl(admin: &mut redis::Connection, name: &str) -> i64 {
    redis::cmd("PTTL")
        .arg(format!("kv:1:{name}"))
        .query(admin)
        .unwrap()
}

#[tokio::test]
async fn an_entry_comes_back_as_it_was() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    let expires_at = now().saturating_add(Duration::from_secs(3600));
    let full = Entry::new(vec![0, 255, 10, 13, 0], Version::new(u64::MAX))
        .with_content_type(Some("text/plain; charset=utf-8".parse().unwrap()))
        .with_expires_at(Some(expires_at));
    put(&cache, "full", full.clone()).await;
    assert_eq!(look(&cache, "full").await.unwrap(), Lookup::Hit(Some(full)));
    let empty = Entry::new("", Version::new(1));
    put(&cache, "empty", empty.clone()).await;
    assert_eq!(
        look(&cache, "empty").await.unwrap(),
        Lookup::Hit(Some(empty))
    );
}

#[tokio::test]
async fn all_but_markers_have_a_time_to_live() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    let mut admin = admin(&server);
    put(&cache, "entry", entry(1)).await;
    let soon = now().saturating_add(Duration::from_secs(100));
    put(&cache, "ending", entry(1).with_expires_at(Some(soon))).await;
    let past = now().saturating_sub(Duration::from_secs(1));
    put(&cache, "ended", entry(1).with_expires_at(Some(past))).await;
    let absent = lease(&cache, "absent").await;
    fill(&cache, "absent", absent, None).await;
    lease(&cache, "leased").await;
    cache.mark(1, &[key("marked")], 1, LONG).await.unwrap();

    for (name, low, high) in [
        ("entry", 3_500_000, 3_600_000),
        ("ending", 80_000, 100_000),
        ("absent", 20_000, 30_000),
        ("leased", 1, 3_000),
        ("marked", -1, -1),
        ("ended", -2, -2),
        ("", -1, -1),
    ] {
        let ttl = ttl(&mut admin, name);
        assert!((low..=high).contains(&ttl), "{name}: {ttl}");
    }
}

#[tokio::test]
async fn a_marker_lapses_by_the_clock_of_redis() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    let soon = Duration::from_millis(20);
    cache.mark(1, &[key("k")], 1, soon).await.unwrap();
    until("a lapsed marker gives a lease", async || {
        matches!(look(&cache, "k").await.unwrap(), Lookup::Miss(_))
    })
    .await;
    assert_eq!(look(&cache, "k").await.unwrap(), Lookup::Busy);
    // The write was done after all, but in time: the lease may be of before.
    finish(&cache, "k", 1, entry(7)).await;
    lease(&cache, "k").await;
}

#[tokio::test]
async fn a_lease_ends() {
    let server = RedisServer::start();
    let options = patient().with_lease(Duration::from_millis(20));
    let cache = connect(&server, options).await;
    cache.open_epoch(1).await.unwrap();
    let first = lease(&cache, "k").await;
    until("the lease ends", async || {
        matches!(look(&cache, "k").await.unwrap(), Lookup::Miss(_))
    })
    .await;
    fill(&cache, "k", first, Some(entry(1))).await;
    assert!(!matches!(look(&cache, "k").await.unwrap(), Lookup::Hit(_)));
}

#[tokio::test]
async fn batches_beyond_one_script_keep_their_order() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    let keys: Vec<Key> = (0..300).map(|i| key(&format!("key{i}"))).collect();
    cache.mark(1, &keys, 9, LONG).await.unwrap();
    let marked = cache.lookup(1, &keys).await.unwrap();
    assert!(marked.iter().all(|found| *found == Lookup::Bypass));
    let outcome = |(i, key): (usize, &Key)| {
        let outcome = match i % 3 {
            0 => Finish::Done(Version::new(i as u64 + 1), Some(entry(i as u64 + 1))),
            1 => Finish::Done(Version::new(1), None),
            _ => Finish::NotDone,
        };
        (key.clone(), outcome)
    };
    let outcomes = keys.iter().enumerate().map(outcome).collect();
    cache.finish(1, 9, outcomes).await.unwrap();
    let found = cache.lookup(1, &keys).await.unwrap();
    let mut fills = Vec::new();
    for (i, found) in found.into_iter().enumerate() {
        match (i % 3, found) {
            (0, Lookup::Hit(Some(hit))) => assert_eq!(hit, entry(i as u64 + 1)),
            (1, Lookup::Hit(None)) => {}
            (2, Lookup::Miss(lease)) => fills.push(Fill {
                key: keys[i].clone(),
                lease,
                found: Ok(Some(entry(i as u64 + 1))),
            }),
            (_, other) => panic!("{i}: {other:?}"),
        }
    }
    cache.fill(1, fills).await.unwrap();
    let found = cache.lookup(1, &keys).await.unwrap();
    assert!(found.iter().all(|found| matches!(found, Lookup::Hit(_))));
}

#[tokio::test]
async fn a_hit_is_one_get() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    put(&cache, "a", entry(1)).await;
    put(&cache, "b", entry(2)).await;
    let processed = || {
        let info = server.command(&["INFO", "commandstats"]);
        let calls = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name));
            let calls = line.and_then(|line| line.split([':', '=', ',']).nth(2));
            calls.map_or(0, |calls| calls.parse::<u64>().unwrap())
        };
        let all: u64 = info
            .lines()
            .filter_map(|line| line.split_once(":calls=")?.1.split(',').next())
            .map(|calls| calls.parse::<u64>().unwrap())
            .sum();
        (calls("cmdstat_get"), calls("cmdstat_mget"), all)
    };
    let before = processed();
    for _ in 0..10 {
        look(&cache, "a").await.unwrap();
        cache.lookup(1, &[key("a"), key("b")]).await.unwrap();
    }
    let after = processed();
    assert_eq!(after.0 - before.0, 10);
    assert_eq!(after.1 - before.1, 10);
    // The other is the INFO before.
    assert_eq!(after.2 - before.2, 21);
}

#[tokio::test]
async fn garbage_is_a_miss_that_is_counted_and_overwritten() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    let registry = Registry::new();
    cache.register(&registry).unwrap();
    let mut admin = admin(&server);
    let garbage: [&[u8]; 8] = [
        b"",
        b"x",
        b"KV",
        b"KN123",
        b"KXsomething",
        b"KV1234567812345678\xffshort",
        // A content type that is none.
        b"KV\0\0\0\0\0\0\0\x0112345678\x02\x00\x01",
        b"KM12345678",
    ];
    for (i, garbage) in garbage.into_iter().enumerate() {
        let name = format!("garbage{i}");
        let mut set = redis::cmd("SET");
        set.arg(format!("kv:1:{name}")).arg(garbage);
        set.query::<()>(&mut admin).unwrap();
        let lease = lease(&cache, &name).await;
        fill(&cache, &name, lease, Some(entry(1))).await;
        let found = look(&cache, &name).await.unwrap();
        assert_eq!(found, Lookup::Hit(Some(entry(1))), "{name}");
        // And under a write.
        set.query::<()>(&mut admin).unwrap();
        put(&cache, &name, entry(2)).await;
        let found = look(&cache, &name).await.unwrap();
        assert_eq!(found, Lookup::Hit(Some(entry(2))), "{name}");
    }
    redis::cmd("LPUSH")
        .arg(&["kv:1:list", "x"])
        .query::<()>(&mut admin)
        .unwrap();
    let keys = [key("list"), key("garbage0")];
    let found = cache.lookup(1, &keys).await.unwrap();
    assert!(
        matches!(found[..], [Lookup::Miss(_), Lookup::Hit(_)]),
        "{found:?}"
    );
    redis::cmd("DEL")
        .arg("kv:1:list")
        .query::<()>(&mut admin)
        .unwrap();
    redis::cmd("LPUSH")
        .arg(&["kv:1:list", "x"])
        .query::<()>(&mut admin)
        .unwrap();
    lease(&cache, "list").await;

    let counted = registry.gather().into_iter();
    let counted = counted.filter(|family| family.name() == "kverse_cache_garbage_total");
    let counted: f64 = counted
        .map(|family| family.get_metric()[0].get_counter().get_value())
        .sum();
    assert!(counted >= 8.0, "{counted}");
}

#[tokio::test]
async fn what_is_too_large_is_not_cached() {
    let server = RedisServer::start();
    let cache = connect(&server, patient().with_max_value_bytes(10)).await;
    cache.open_epoch(1).await.unwrap();
    let large = Entry::new("x".repeat(11), Version::new(1));
    put(&cache, "k", large.clone()).await;
    let held = lease(&cache, "k").await;
    fill(&cache, "k", held, Some(large)).await;
    // The lease was given back.
    let held = lease(&cache, "k").await;
    let fits = Entry::new("x".repeat(10), Version::new(1));
    fill(&cache, "k", held, Some(fits.clone())).await;
    assert_eq!(look(&cache, "k").await.unwrap(), Lookup::Hit(Some(fits)));
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_loaded_again() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    for version in 1..4 {
        server.command(&["SCRIPT", "FLUSH"]);
        cache.mark(1, &[key("k")], version, LONG).await.unwrap();
        server.command(&["SCRIPT", "FLUSH"]);
        assert_eq!(look(&cache, "k").await.unwrap(), Lookup::Bypass);
        server.command(&["SCRIPT", "FLUSH"]);
        finish(&cache, "k", version, entry(version)).await;
        let found = look(&cache, "k").await.unwrap();
        assert_eq!(found, Lookup::Hit(Some(entry(version))));
    }
}

#[tokio::test]
async fn an_epoch_that_was_not_opened_is_not_known() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    put(&cache, "k", entry(1)).await;
    let unknown = cache.lookup(2, &[key("k")]).await;
    assert!(matches!(unknown, Err(CacheError::NoEpoch)), "{unknown:?}");
    let unknown = cache.mark(2, &[key("k")], 1, LONG).await;
    assert!(matches!(unknown, Err(CacheError::NoEpoch)), "{unknown:?}");
    // A key may have any name without being taken for the epoch's.
    for name in ["alive", ":", "1:k"] {
        put(&cache, name, entry(5)).await;
    }
    cache.open_epoch(2).await.unwrap();
    let found = cache.lookup(2, &[key("k"), key("alive")]).await.unwrap();
    assert!(matches!(found[..], [Lookup::Miss(_), Lookup::Miss(_)]));
    // The old one lives until it is swept.
    assert_eq!(
        look(&cache, "k").await.unwrap(),
        Lookup::Hit(Some(entry(1)))
    );
}

#[tokio::test]
async fn a_sweep_removes_old_epochs_and_nothing_else() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    let keys: Vec<Key> = (0..12_000).map(|i| key(&format!("key{i}"))).collect();
    for keys in keys.chunks(1000) {
        cache.mark(1, keys, 1, LONG).await.unwrap();
    }
    server.command(&["SET", "other:1:x", "not ours"]);
    server.command(&["SET", "kv:x:y", "not ours"]);
    for epoch in [2, 10] {
        cache.open_epoch(epoch).await.unwrap();
        cache.mark(epoch, &keys[..5], 2, LONG).await.unwrap();
    }
    let mut calls = 1;
    while cache.sweep(2).await.unwrap() {
        calls += 1;
        assert!(calls < 1000);
    }
    // Bounded: one call does not do it all.
    assert!(calls > 1);
    assert_eq!(server.command(&["DBSIZE"]), format!(":{}", 2 * 6 + 2));
    let bypassed = cache.lookup(2, &keys[..5]).await.unwrap();
    assert!(bypassed.iter().all(|found| *found == Lookup::Bypass));
}

#[tokio::test]
async fn services_with_different_prefixes_do_not_meet() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    let other = connect(&server, patient().with_prefix("kv2")).await;
    other.open_epoch(1).await.unwrap();
    put(&cache, "k", entry(1)).await;
    let Lookup::Miss(_) = look(&other, "k").await.unwrap() else {
        panic!("it is the other's");
    };
    assert!(!other.sweep(9).await.unwrap());
    assert_eq!(
        look(&cache, "k").await.unwrap(),
        Lookup::Hit(Some(entry(1)))
    );

    for bad in ["", "a:b", "*", &"x".repeat(65)] {
        let options = RedisOptions::default().with_prefix(bad);
        let url = server.url();
        let refused = kverse_store::redis::RedisCache::connect(&url, options, now());
        assert!(refused.await.is_err(), "{bad}");
    }
}

/// A writer hears late that it has committed, after its marker lapsed and a later write was cached, and renews.
#[tokio::test]
async fn a_marker_remembers_the_version_that_it_replaced() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    let keys = [key("k")];
    cache.mark(1, &keys, 1, Duration::ZERO).await.unwrap();
    let held = lease(&cache, "k").await;
    fill(&cache, "k", held, Some(entry(5))).await;
    cache.mark(1, &keys, 1, LONG).await.unwrap();
    finish(&cache, "k", 1, entry(4)).await;
    lease(&cache, "k").await;
}

#[tokio::test]
async fn a_renewed_marker_stands_longer() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    let keys = [key("k")];
    cache.mark(1, &keys, 1, Duration::ZERO).await.unwrap();
    cache.renew(1, &keys, 1, LONG).await.unwrap();
    assert_eq!(look(&cache, "k").await.unwrap(), Lookup::Bypass);
    finish(&cache, "k", 1, entry(1)).await;
    let hit = Lookup::Hit(Some(entry(1)));
    assert_eq!(look(&cache, "k").await.unwrap(), hit);
}

/// Another write was done in between, and its entry evicted: nothing would tell that the first write is the older one.
#[tokio::test]
async fn a_marker_that_is_gone_is_not_renewed() {
    let server = RedisServer::start();
    let cache = open(&server).await;
    let keys = [key("k")];
    cache.mark(1, &keys, 1, Duration::ZERO).await.unwrap();
    cache.mark(1, &keys, 2, LONG).await.unwrap();
    finish(&cache, "k", 2, entry(2)).await;
    redis::cmd("DEL")
        .arg("kv:1:k")
        .query::<()>(&mut admin(&server))
        .unwrap();
    cache.renew(1, &keys, 1, LONG).await.unwrap();
    finish(&cache, "k", 1, entry(1)).await;
    lease(&cache, "k").await;
}
