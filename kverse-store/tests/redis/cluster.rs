//! A Redis Cluster as the cache: what is replaced, moved, emptied or out of reach.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use kverse_core::cached::{CacheError, EpochCache, Finish, Lookup};
use kverse_core::{Key, Result, Version};
use kverse_store::RedisUrl;
use kverse_store::redis::{ClusterCache, RedisOptions};
use kverse_store::testing::{RedisCluster, RedisServer};

use crate::common::{LONG, connect_cluster, entry, key, look, now, patient, put, slot, until};

/// A cache that has opened epoch 1.
async fn open(cluster: &RedisCluster) -> ClusterCache {
    let cache = connect_cluster(cluster, patient()).await;
    cache.open_epoch(1).await.unwrap();
    cache
}

/// A name that the cache keeps at this node.
fn at(cache: &ClusterCache, node: &RedisServer) -> String {
    let address = node.address().to_string();
    let mut names = (0..1000).map(|number| format!("key{number}"));
    let is_there = |name: &String| cache.place(1, name).unwrap().0 == address;
    names.find(is_there).unwrap()
}

/// One name at each of the first primaries.
fn one_at_each(cache: &ClusterCache, cluster: &RedisCluster) -> Vec<String> {
    let primaries = &cluster.nodes()[..RedisCluster::PRIMARIES];
    primaries.iter().map(|node| at(cache, node)).collect()
}

fn is_lost<T>(result: &Result<T, CacheError>) -> bool {
    matches!(result, Err(CacheError::NoEpoch | CacheError::Restarted))
}

/// Waits until the nodes agree, and on something else than before.
async fn another_run_id(cache: &ClusterCache, before: &str) -> String {
    let mut now = String::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while now.is_empty() || now == before {
        assert!(Instant::now() < deadline, "the topology stays {now}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        now = cache.run_id().await.unwrap_or_default();
    }
    now
}

/// Epoch 1 is over for this cache, at each of its nodes, and the next one is as good.
async fn goes_on_without_epoch_1(cache: &ClusterCache, names: &[String]) {
    assert!(is_lost(&cache.probe(1, &key("any")).await));
    for name in names {
        let found = look(cache, name).await;
        assert!(is_lost(&found), "{name}: {found:?}");
        let marked = cache.mark(1, &[key(name)], 99, LONG).await;
        assert!(is_lost(&marked), "{name}: {marked:?}");
    }
    cache.open_epoch(2).await.unwrap();
    cache.probe(2, &key("any")).await.unwrap();
    let keys: Vec<Key> = names.iter().map(|name| key(name)).collect();
    let found = cache.lookup(2, &keys).await.unwrap();
    let is_miss = |found: &Lookup| matches!(found, Lookup::Miss(_));
    assert!(found.iter().all(is_miss), "{found:?}");
}

#[tokio::test]
async fn keys_are_spread_and_batches_keep_their_order() {
    let cluster = RedisCluster::start();
    let cache = open(&cluster).await;
    assert_eq!(cache.shards(), RedisCluster::PRIMARIES);
    let keys: Vec<Key> = (0..500).map(|i| key(&format!("key{{{i}}}"))).collect();
    cache.mark(1, &keys, 9, LONG).await.unwrap();
    cache.renew(1, &keys, 9, LONG).await.unwrap();
    let marked = cache.lookup(1, &keys).await.unwrap();
    assert!(marked.iter().all(|found| *found == Lookup::Bypass));
    let outcome = |(i, key): (u64, &Key)| match i % 2 {
        0 => (key.clone(), Finish::NotDone),
        _ => (key.clone(), Finish::Done(Version::new(i), Some(entry(i)))),
    };
    let outcomes = (0..).zip(&keys).map(outcome).collect();
    cache.finish(1, 9, outcomes).await.unwrap();
    let found = cache.lookup(1, &keys).await.unwrap();
    let mut fills = Vec::new();
    for ((i, key), found) in (0..).zip(&keys).zip(found) {
        match found {
            Lookup::Hit(Some(hit)) if i % 2 == 1 => assert_eq!(hit, entry(i)),
            Lookup::Miss(lease) if i % 2 == 0 => fills.push(kverse_core::cached::Fill {
                key: key.clone(),
                lease,
                found: Ok(Some(entry(i))),
            }),
            other => panic!("{i}: {other:?}"),
        }
    }
    let mut others = fills.clone();
    others[7].lease.0 ^= 1;
    let filled = cache.fill(1, others).await.unwrap();
    let refused: Vec<_> = (0..filled.len()).filter(|i| !filled[*i]).collect();
    assert_eq!(refused, [7]);
    assert_eq!(cache.fill(1, vec![fills[7].clone()]).await.unwrap(), [true]);
    for (i, key) in (0..).zip(&keys) {
        let found = look(&cache, key.as_str()).await.unwrap();
        assert_eq!(found, Lookup::Hit(Some(entry(i))));
    }

    // About a third at each node, and the names there in one slot, of that node.
    for (index, node) in cluster.nodes()[..RedisCluster::PRIMARIES]
        .iter()
        .enumerate()
    {
        let address = node.address().to_string();
        let places = keys.iter().map(|key| cache.place(1, key.as_str()).unwrap());
        let names = places.filter(|(node, _)| *node == address);
        let names: Vec<_> = names.map(|(_, name)| name).collect();
        assert!((100..250).contains(&names.len()), "{}", names.len());
        let slots: BTreeSet<u16> = names.iter().map(|name| slot(name)).collect();
        assert_eq!(slots.len(), 1);
        assert!(slots.iter().all(|slot| cluster.owner(*slot) == index));
    }

    // What is swept: old epochs, under whatever tag, and nothing else.
    let first = &cluster.nodes()[0];
    let foreign = (0..).find(|number| {
        let slot = slot(&format!("{{{number}}}"));
        slot < 5000
            && !cache
                .place(1, "key0")
                .unwrap()
                .1
                .contains(&format!("{{{number}}}"))
    });
    let foreign = foreign.unwrap();
    for name in ["1:k", "9:k"] {
        let set = ["SET", &format!("kv{{{foreign}}}:{name}"), "left behind"];
        assert_eq!(first.command(&set), "+OK");
    }
    cache.open_epoch(2).await.unwrap();
    put_in(&cache, 2, "new").await;
    while cache.sweep(2).await.unwrap() {}
    let left = cluster.nodes()[..RedisCluster::PRIMARIES].iter();
    let left: Vec<_> = left.map(|node| node.command(&["DBSIZE"])).collect();
    let left = left.iter().map(|size| size[1..].parse::<usize>().unwrap());
    // The sentinels, the new key, and the foreign one of a newer epoch.
    assert_eq!(left.sum::<usize>(), 3 + 1 + 1);

    let registry = prometheus::Registry::new();
    cache.register(&registry).unwrap();
    let metrics = registry.gather();
    let connections = metrics
        .iter()
        .find(|family| family.name() == "kverse_cache_connections");
    let connections = connections.unwrap().get_metric();
    assert_eq!(connections.len(), 1);
    assert!((connections[0].get_gauge().get_value() - 3.0).abs() < 0.1);
}

async fn put_in(cache: &ClusterCache, epoch: u64, name: &str) {
    let keys = [key(name)];
    cache.mark(epoch, &keys, 77, LONG).await.unwrap();
    let outcome = Finish::Done(Version::new(1), Some(entry(1)));
    let outcomes = vec![(key(name), outcome)];
    cache.finish(epoch, 77, outcomes).await.unwrap();
}

/// With a user who may do what the guide for operators lists, and nothing else.
#[tokio::test]
async fn any_node_that_answers_is_enough() {
    const RIGHTS: &str = "~kv* +info +time +ping +get +mget +set +mset +del +setrange +scan +unlink +script|load \
                          +evalsha +cluster|info +cluster|nodes +cluster|slots";
    let mut cluster = RedisCluster::start();
    for node in cluster.nodes() {
        let rights: Vec<&str> = RIGHTS.split_whitespace().collect();
        let user = ["ACL", "SETUSER", "kverse", "on", ">horse"];
        assert_eq!(node.command(&[&user[..], &rights].concat()), "+OK");
    }
    let gone = cluster.nodes()[3].address();
    cluster.node(3).kill();
    let replica = cluster.nodes()[4].address();
    let connect = async |nodes: String| {
        let url: RedisUrl = format!("redis+cluster://kverse:horse@{nodes}")
            .parse()
            .unwrap();
        ClusterCache::connect(url.servers(), patient(), now()).await
    };
    for (epoch, nodes) in (1..).zip([format!("{replica}"), format!("{gone},{replica}")]) {
        let cache = connect(nodes).await.unwrap();
        assert_eq!(cache.shards(), RedisCluster::PRIMARIES);
        assert!(!format!("{cache} {cache:?}").contains("horse"));
        cache.open_epoch(epoch).await.unwrap();
        cache.inspect().await.unwrap();
        let missing = cache.lookup(epoch, &[key("k")]).await.unwrap();
        assert!(matches!(missing[..], [Lookup::Miss(_)]), "{missing:?}");
        put_in(&cache, epoch, "k").await;
        cache.renew(epoch, &[key("k")], 1, LONG).await.unwrap();
        while cache.sweep(epoch).await.unwrap() {}
    }
    // One of its nodes would evict markers.
    let limit = |policy| {
        let set = ["CONFIG", "SET", "maxmemory-policy", policy];
        assert_eq!(cluster.nodes()[1].command(&set), "+OK");
    };
    limit("allkeys-lru");
    let why = connect(replica.to_string()).await.unwrap_err().to_string();
    let place = cluster.nodes()[1].address().to_string();
    assert!(why.contains("allkeys-lru") && why.contains(&place), "{why}");
}

#[tokio::test]
async fn an_emptied_node_ends_the_epoch() {
    let cluster = RedisCluster::start();
    let cache = open(&cluster).await;
    let names = one_at_each(&cache, &cluster);
    for name in &names {
        put(&cache, name, entry(1)).await;
    }
    cache.probe(1, &key("any")).await.unwrap();
    assert_eq!(cluster.nodes()[1].command(&["FLUSHALL"]), "+OK");
    // Found out without any request for a key that was there.
    assert!(is_lost(&cache.probe(1, &key("any")).await));
    assert!(is_lost(&look(&cache, &names[1]).await));
    assert!(is_lost(&cache.mark(1, &[key(&names[1])], 5, LONG).await));
    let all: Vec<Key> = names.iter().map(|name| key(name)).collect();
    assert!(is_lost(&cache.lookup(1, &all).await));
    cache.open_epoch(2).await.unwrap();
    cache.probe(2, &key("any")).await.unwrap();
}

/// It was promoted without the last writes: replication does not wait for them.
#[tokio::test]
async fn a_replica_that_missed_a_write_is_not_believed_when_it_is_promoted() {
    let mut cluster = RedisCluster::start();
    let cache = open(&cluster).await;
    let names = one_at_each(&cache, &cluster);
    for name in &names {
        put(&cache, name, entry(1)).await;
    }
    let before = cache.run_id().await.unwrap();
    let (_, place) = cache.place(1, &names[0]).unwrap();
    let copies = |cluster: &RedisCluster| {
        let offset = |node: &RedisServer, field: &str| {
            let info = node.command(&["INFO", "replication"]);
            let value = info.lines().find_map(|line| line.strip_prefix(field));
            value.map(str::to_owned)
        };
        let primary = offset(&cluster.nodes()[0], "master_repl_offset:");
        primary == offset(&cluster.nodes()[3], "slave_repl_offset:")
    };
    until("the replica has it", async || copies(&cluster)).await;
    cluster.cut_off(0, 3);
    put(&cache, &names[0], entry(2)).await;
    cluster.node(0).kill();
    cluster.nodes()[3].resume();

    let lost = look(&cache, &names[0]).await;
    assert!(matches!(lost, Err(CacheError::Unreachable(_))), "{lost:?}");
    let after = another_run_id(&cache, &before).await;
    assert!(cluster.is_primary(3));
    // It has the old entry, and the sentinel of the epoch.
    let old = cluster.nodes()[3].command(&["GET", &place]);
    assert!(old.starts_with("KV") && old.ends_with("value 1"), "{old}");
    let sentinel = place.strip_suffix(&names[0]).unwrap();
    assert!(
        cluster.nodes()[3]
            .command(&["GET", sentinel])
            .contains(&before)
    );
    // Neither by this cache nor by one that sees it for the first time.
    let other = connect_cluster(&cluster, patient()).await;
    assert_eq!(other.run_id().await.unwrap(), after);
    for name in &names {
        assert!(is_lost(&look(&other, name).await));
    }
    goes_on_without_epoch_1(&cache, &names).await;

    // The old primary comes back, as a replica: nothing changes.
    cluster.node(0).start_again();
    cluster.wait_until_well();
    assert_eq!(cache.run_id().await.unwrap(), after);
    cache.probe(2, &key("any")).await.unwrap();
}

/// The same processes as before, and not the same data for sure.
#[tokio::test]
async fn a_failover_on_purpose_ends_the_epoch_and_so_does_the_way_back() {
    let cluster = RedisCluster::start();
    let cache = open(&cluster).await;
    let names = one_at_each(&cache, &cluster);
    for name in &names {
        put(&cache, name, entry(1)).await;
    }
    let first = cache.run_id().await.unwrap();
    cluster.fail_over_to(3);
    // The connections are still there, to what is a replica now.
    until("the old primary is none", async || !cluster.is_primary(0)).await;
    assert!(is_lost(&look(&cache, &names[0]).await));
    let second = another_run_id(&cache, &first).await;
    goes_on_without_epoch_1(&cache, &names).await;

    cluster.wait_until_well();
    // Before that the others do not vote again.
    tokio::time::sleep(2 * RedisCluster::NODE_TIMEOUT).await;
    cluster.fail_over_to(0);
    let third = another_run_id(&cache, &second).await;
    assert_ne!(third, first);
    let lost = cache.lookup(2, &[key(&names[1])]).await;
    assert!(is_lost(&lost), "{lost:?}");
    let lost = look(&cache, &names[0]).await;
    assert!(is_lost(&lost), "{lost:?}");
}

#[tokio::test]
async fn a_restarted_node_ends_the_epoch() {
    // It comes back before it is missed.
    let mut cluster = RedisCluster::start_with(&["--cluster-node-timeout", "30000"]);
    let cache = open(&cluster).await;
    let names = one_at_each(&cache, &cluster);
    let before = cache.run_id().await.unwrap();
    cluster.node(1).kill();
    cluster.node(1).start_again();
    until("it is found out", async || {
        is_lost(&look(&cache, &names[1]).await)
    })
    .await;
    another_run_id(&cache, &before).await;
    goes_on_without_epoch_1(&cache, &names).await;
}

#[tokio::test]
async fn a_slot_in_use_that_moves_ends_the_epoch() {
    let cluster = RedisCluster::start();
    let cache = open(&cluster).await;
    let names = one_at_each(&cache, &cluster);
    put(&cache, &names[0], entry(1)).await;
    let before = cache.run_id().await.unwrap();
    let used = slot(&cache.place(1, &names[0]).unwrap().1);

    // Others may move, as far as they have come.
    let unused = (0..5000).find(|slot| *slot != used).unwrap();
    cluster.open_slot(unused, 0, 1);
    assert_eq!(cache.run_id().await.unwrap(), before);
    assert_eq!(
        look(&cache, &names[0]).await.unwrap(),
        Lookup::Hit(Some(entry(1)))
    );

    cluster.open_slot(used, 0, 1);
    // The sentinel and the entry.
    assert_eq!(cluster.move_keys(used, 0, 1), 2);
    assert!(is_lost(&look(&cache, &names[0]).await));
    assert!(is_lost(&cache.mark(1, &[key(&names[0])], 5, LONG).await));
    // Another slot of the same node takes its place, before the move is over.
    let during = another_run_id(&cache, &before).await;
    goes_on_without_epoch_1(&cache, &names).await;

    cluster.give_slot(used, 1);
    let after = another_run_id(&cache, &during).await;
    assert_ne!(after, before);
    assert!(is_lost(&look(&cache, &names[0]).await));
    // And back, with all that was in it.
    cluster.move_slot(used, 1, 0);
    let back = another_run_id(&cache, &after).await;
    assert_ne!(back, before);
    assert!(is_lost(&look(&cache, &names[0]).await));
}

#[tokio::test]
async fn caches_that_see_different_topologies_do_not_share_an_epoch() {
    let cluster = RedisCluster::start();
    let first = open(&cluster).await;
    let names = one_at_each(&first, &cluster);
    let used = slot(&first.place(1, &names[0]).unwrap().1);
    cluster.open_slot(used, 0, 1);
    let second = connect_cluster(&cluster, patient()).await;
    // All processes are the same, and the shards of the other nodes are too.
    assert_eq!(first.place(5, &names[1]), second.place(5, &names[1]));
    second.open_epoch(5).await.unwrap();
    for name in &names {
        put_in(&second, 5, name).await;
        let lost = first.lookup(5, &[key(name)]).await;
        assert!(is_lost(&lost), "{name}: {lost:?}");
        let lost = first.mark(5, &[key(name)], 5, LONG).await;
        assert!(is_lost(&lost), "{name}: {lost:?}");
        // Nor the other way round.
        assert!(is_lost(&look(&second, name).await));
    }
    assert_eq!(
        first.run_id().await.unwrap(),
        second.run_id().await.unwrap()
    );
    for name in &names {
        let found = first.lookup(5, &[key(name)]).await.unwrap();
        assert_eq!(found, [Lookup::Hit(Some(entry(1)))]);
    }
}

/// It does not answer, and is not missed by the cluster yet.
#[tokio::test]
async fn a_node_that_hangs_fails_in_time_and_is_used_again() {
    let cluster = RedisCluster::start_with(&["--cluster-node-timeout", "60000"]);
    let options = RedisOptions::default().with_command_timeout(Duration::from_millis(200));
    let cache = connect_cluster(&cluster, options).await;
    cache.open_epoch(1).await.unwrap();
    let names = one_at_each(&cache, &cluster);
    for name in &names {
        put(&cache, name, entry(1)).await;
    }
    let before = cache.run_id().await.unwrap();
    cluster.nodes()[2].pause();
    let start = Instant::now();
    let lost = look(&cache, &names[2]).await;
    let Err(CacheError::Unreachable(why)) = lost else {
        panic!("{lost:?}");
    };
    let place = cluster.nodes()[2].address().to_string();
    assert!(why.contains(&place), "{why}");
    let lost = cache.run_id().await;
    assert!(matches!(lost, Err(CacheError::Unreachable(_))), "{lost:?}");
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    // The others are well, but nobody is to rely on a part of the cache.
    until("the cache is given up on as a whole", async || {
        look(&cache, &names[2]).await.unwrap_err();
        matches!(look(&cache, &names[0]).await, Err(CacheError::Unreachable(why)) if why.contains(&place))
    })
    .await;
    let start = Instant::now();
    for _ in 0..100 {
        look(&cache, &names[1]).await.unwrap_err();
    }
    assert!(
        start.elapsed() < Duration::from_millis(200),
        "{:?}",
        start.elapsed()
    );
    cluster.nodes()[2].resume();
    until("it answers again", async || {
        cache.run_id().await.is_ok_and(|now| now == before)
            && look(&cache, &names[2])
                .await
                .is_ok_and(|found| found == Lookup::Hit(Some(entry(1))))
    })
    .await;
}
