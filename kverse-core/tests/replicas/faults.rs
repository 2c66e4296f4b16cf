//! Each transition of the mode.

use std::sync::Arc;
use std::time::Duration;

use kverse_core::cached::{Mode, ReplicatedCache, Rules, Timing};
use kverse_core::{CacheStatus, ErrorKind, KvStore, KvStoreExt};
use tokio::time::{Instant, sleep};

use crate::cache_link::CacheLink;
use crate::links::Links;
use crate::register_link::RegisterLink;
use crate::replica::{Replica, key, replicas, replicas_with};
use crate::world::World;

const LEASE: Duration = Duration::from_secs(2);
const MARK_WAIT: Duration = Duration::from_millis(2500);
const FORGOTTEN: Duration = Duration::from_secs(14);
/// Longer than it takes to notice that the cache is unfit.
const INSPECTION: Duration = Duration::from_secs(12);

#[tokio::test(start_paused = true)]
async fn the_first_replica_turns_the_cache_on_and_need_not_wait_to_write() {
    let world = World::new(1);
    let replica = Replica::start(&world);
    let began = Instant::now();
    replica.put("1").await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(200));
    assert!(replica.until(Mode::On, 0).await < Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_joins_writes_and_hits_at_once() {
    let (world, [first]) = replicas().await;
    first.put("1").await.unwrap();
    let began = Instant::now();
    let second = Replica::start(&world);
    second.put("2").await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(200));
    first.hit("2").await;
    second.until(Mode::On, 0).await;
    second.hit("2").await;
}

#[tokio::test(start_paused = true)]
async fn what_one_replica_writes_the_other_reads_from_the_cache() {
    let (_world, [a, b]) = replicas().await;
    for value in ["1", "2", "3"] {
        a.put(value).await.unwrap();
        b.hit(value).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flushed_cache_begins_a_new_epoch() {
    let (world, [a, b]) = replicas().await;
    a.put("1").await.unwrap();
    world.flush_cache();
    assert_eq!(b.get().await, ("1".to_owned(), CacheStatus::Off));
    let began = Instant::now();
    b.put("2").await.unwrap();
    assert!(began.elapsed() < MARK_WAIT, "{:?}", began.elapsed());
    assert!(a.until(Mode::On, 1).await < Duration::from_secs(5));
    assert_eq!(a.get().await.0, "2");
}

#[tokio::test(start_paused = true)]
async fn a_flush_is_noticed_without_traffic() {
    let (world, [a]) = replicas().await;
    world.flush_cache();
    assert!(a.until(Mode::Warming, 1).await < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_restarts_from_a_snapshot_brings_nothing_old_back() {
    let (world, [a, b]) = replicas().await;
    a.put("1").await.unwrap();
    let snapshot = world.snapshot();
    a.put("2").await.unwrap();
    world.restart_cache_from(&snapshot);
    assert_eq!(b.get().await, ("2".to_owned(), CacheStatus::Off));
    b.until(Mode::On, 1).await;
    assert_eq!(b.get().await.0, "2");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_cannot_reach_the_cache_switches_it_off_for_all_and_goes_on_writing() {
    let (_world, [a, b]) = replicas().await;
    a.put("1").await.unwrap();
    a.links.cut_cache(true);
    let began = Instant::now();
    // Until then the other replica may serve hits.
    let [first, second] = [a.put("2").await, a.put("3").await];
    let paused = began.elapsed();
    first.unwrap();
    second.unwrap();
    assert!(paused >= LEASE && paused < MARK_WAIT, "{paused:?}");
    assert_eq!(b.get().await, ("3".to_owned(), CacheStatus::Off));
    assert_eq!((a.mode(), b.mode()), (Some(Mode::Off), Some(Mode::Off)));
    b.put("4").await.unwrap();
    assert_eq!(a.get().await, ("4".to_owned(), CacheStatus::Off));
}

#[tokio::test(start_paused = true)]
async fn the_cache_comes_back_once_every_replica_reaches_it() {
    let (_world, [a, b]) = replicas().await;
    a.links.cut_cache(true);
    b.until(Mode::Off, 0).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(b.mode(), Some(Mode::Off));
    a.links.cut_cache(false);
    assert!(b.until(Mode::On, 1).await < Duration::from_secs(10));
    a.until(Mode::On, 1).await;
    a.put("2").await.unwrap();
    b.hit("2").await;
}

#[tokio::test(start_paused = true)]
async fn without_the_cache_for_all_the_service_runs_on_the_database() {
    let (_world, [a, b]) = replicas().await;
    for replica in [&a, &b] {
        replica.links.cut_cache(true);
    }
    a.until(Mode::Off, 0).await;
    sleep(LEASE * 2).await;
    let began = Instant::now();
    a.put("1").await.unwrap();
    assert_eq!(b.get().await, ("1".to_owned(), CacheStatus::Off));
    assert!(began.elapsed() < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn without_the_register_nothing_is_written_and_no_hit_is_served() {
    let (_world, [a]) = replicas().await;
    a.put("1").await.unwrap();
    a.hit("1").await;
    a.links.cut_database(true);
    // The lease of the last query still holds.
    a.hit("1").await;
    sleep(LEASE).await;
    assert_eq!(a.cache.status().mode, None);
    a.store.read(&[key("a")]).await.unwrap_err();
    let began = Instant::now();
    let error = a.put("2").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(began.elapsed() <= MARK_WAIT + Duration::from_millis(100));
    a.links.cut_database(false);
    a.until(Mode::On, 0).await;
    a.put("3").await.unwrap();
    assert_eq!(a.get().await.0, "3");
}

#[tokio::test(start_paused = true)]
async fn a_dead_replica_only_delays_the_return_of_the_cache() {
    let (world, [a, b]) = replicas().await;
    b.links.pause(true);
    drop(b);
    world.flush_cache();
    a.until(Mode::Warming, 1).await;
    let took = a.until(Mode::On, 1).await;
    let about = FORGOTTEN - Duration::from_secs(2)..FORGOTTEN + Duration::from_secs(2);
    assert!(about.contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_replica_is_not_waited_for_once_its_writes_must_be_over() {
    let (_world, [a, b]) = replicas().await;
    a.links.cut_cache(true);
    b.until(Mode::Off, 0).await;
    b.links.pause(true);
    drop(b);
    a.links.cut_cache(false);
    let took = a.until(Mode::Warming, 1).await;
    assert!(took <= FORGOTTEN + Duration::from_secs(1), "{took:?}");
    assert!(
        took > Duration::from_secs(10),
        "its writes may be under way"
    );
    assert!(a.until(Mode::On, 1).await < LEASE * 2);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_goes_wrong_switches_the_cache_off_until_it_is_right() {
    let (world, [a, b]) = replicas().await;
    a.put("1").await.unwrap();
    world.set_cache_ahead(Duration::from_millis(1500));
    assert!(a.until(Mode::Off, 0).await < INSPECTION);
    assert_eq!(b.get().await, ("1".to_owned(), CacheStatus::Off));
    let status = a.cache.status();
    assert!(status.unfit.unwrap().contains("clock"));
    let checks = a.store.check().await;
    let cache = checks.iter().find(|check| check.name == "cache").unwrap();
    let error = cache.result.as_ref().unwrap_err().to_string();
    assert!(error.contains("1.5s off"), "{error}");
    sleep(INSPECTION * 2).await;
    assert_eq!(a.mode(), Some(Mode::Off));
    world.set_cache_ahead(Duration::from_millis(500));
    a.until(Mode::On, 1).await;
    assert_eq!(a.cache.status().unfit, None);
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_becomes_unfit_is_switched_off_until_it_is_fit() {
    let (world, [a, b]) = replicas().await;
    world.set_unfit(Some("is a replica"));
    assert!(a.until(Mode::Off, 0).await < INSPECTION);
    b.until(Mode::Off, 0).await;
    sleep(INSPECTION * 2).await;
    assert_eq!(a.mode(), Some(Mode::Off));
    a.put("1").await.unwrap();
    world.set_unfit(None);
    b.until(Mode::On, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_not_there_at_the_start_comes_in_by_itself_and_only_if_it_is_fit() {
    let world = World::new(1);
    let a = Replica::start(&world);
    a.links.cut_cache(true);
    world.set_unfit(Some("is a replica"));
    a.put("1").await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(a.get().await, ("1".to_owned(), CacheStatus::Off));
    a.links.cut_cache(false);
    sleep(INSPECTION * 2).await;
    assert_eq!(a.mode(), Some(Mode::Off));
    world.set_unfit(None);
    a.until(Mode::On, 0).await;
    a.put("2").await.unwrap();
    assert_eq!(a.get().await.0, "2");
    // Answered before the cache is told.
    sleep(Duration::from_millis(100)).await;
    assert_eq!(a.get().await, ("2".to_owned(), CacheStatus::Hit));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_left_delays_nothing() {
    let (world, [a, b]) = replicas().await;
    b.store.close().await;
    assert_eq!(b.put("1").await.unwrap_err().kind(), ErrorKind::Unavailable);
    world.flush_cache();
    a.until(Mode::Warming, 1).await;
    let took = a.until(Mode::On, 1).await;
    assert!(took < LEASE * 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_write_of_an_older_view_is_waited_for() {
    let (_world, [a, b]) = replicas().await;
    a.links.cut_cache(true);
    b.until(Mode::Off, 0).await;
    sleep(LEASE).await;
    a.links.slow_writes(Duration::from_secs(6));
    let (store, key) = (Arc::clone(&a.store), key("a"));
    // Unmarked: it begins before the cache comes back.
    let put = tokio::spawn(async move {
        store.put(&key, "slow").await.unwrap();
    });
    sleep(Duration::from_millis(100)).await;
    a.links.cut_cache(false);
    a.until(Mode::On, 1).await;
    assert!(put.is_finished());
    assert_eq!(b.get().await.0, "slow");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_takes_longer_than_a_marker_lives_keeps_its_marker() {
    let (_world, [a, b]) = replicas().await;
    a.put("1").await.unwrap();
    a.links.slow_writes(3 * FORGOTTEN);
    let store = Arc::clone(&a.store);
    // Longer than a caller waits: the write goes on without it.
    let put = tokio::spawn(async move { store.put(&key("a"), "slow").await });
    sleep(2 * FORGOTTEN).await;
    assert_eq!(b.get().await, ("1".to_owned(), CacheStatus::Bypass));
    sleep(2 * FORGOTTEN).await;
    b.hit("slow").await;
    let error = put.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_write_of_unknown_outcome_is_waited_for_until_it_must_be_over() {
    let (world, [a, b]) = replicas().await;
    a.put("1").await.unwrap();
    a.links.slow_writes(Duration::from_secs(6));
    a.links.lose_writes(true);
    let error = a.put("lost").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    // The marker is gone with the epoch.
    world.flush_cache();
    b.until(Mode::On, 1).await;
    b.get().await;
    sleep(FORGOTTEN).await;
    assert_eq!(b.get().await.0, "lost");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_hangs_through_a_new_epoch_is_waited_for() {
    let (world, [a, b]) = replicas().await;
    a.put("1").await.unwrap();
    a.links.slow_writes(3 * FORGOTTEN);
    let store = Arc::clone(&a.store);
    let put = tokio::spawn(async move { store.put(&key("a"), "slow").await });
    sleep(Duration::from_secs(1)).await;
    world.flush_cache();
    b.until(Mode::Warming, 1).await;
    sleep(2 * FORGOTTEN).await;
    assert_eq!(b.get().await, ("1".to_owned(), CacheStatus::Off));
    assert_eq!(b.mode(), Some(Mode::Warming));
    put.await.unwrap().unwrap_err();
    b.until(Mode::On, 1).await;
    assert_eq!(b.get().await.0, "slow");
}

/// A slow write that began without a mark ends after a marked one of the warming cache. What is read then.
async fn read_after_overtaken_write(rules: Rules) -> String {
    let (_world, [a, b]) = replicas_with(rules).await;
    a.links.cut_cache(true);
    b.until(Mode::Off, 0).await;
    sleep(LEASE).await;
    a.links.slow_writes(Duration::from_secs(6));
    let store = Arc::clone(&a.store);
    let slow = tokio::spawn(async move { store.put(&key("a"), "slow").await });
    sleep(Duration::from_millis(100)).await;
    a.links.cut_cache(false);
    b.until(Mode::Warming, 1).await;
    b.put("fast").await.unwrap();
    slow.await.unwrap().unwrap();
    b.until(Mode::On, 1).await;
    b.get().await.0
}

#[tokio::test(start_paused = true)]
async fn what_is_written_while_the_cache_warms_up_is_not_cached() {
    let read = read_after_overtaken_write(Rules::default()).await;
    assert_eq!(read, "slow");
    let broken = Rules {
        nothing_cached_while_warming: false,
        ..Rules::default()
    };
    assert_eq!(read_after_overtaken_write(broken).await, "fast");
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_replica_was_paused_after_its_mark_makes_nothing_stale() {
    let (_world, [a, b]) = replicas().await;
    b.put("1").await.unwrap();
    let store = Arc::clone(&a.store);
    let put = tokio::spawn(async move { store.put(&key("a"), "late").await });
    while b.get().await.1 != CacheStatus::Bypass {
        assert!(!put.is_finished());
    }
    a.links.pause(true);
    // Its marker lapses meanwhile.
    sleep(FORGOTTEN).await;
    let version = b.put("2").await.unwrap();
    b.hit("2").await;
    a.links.pause(false);
    match put.await.unwrap() {
        // It was done before the pause, or was marked again after it.
        Ok(late) => {
            let newest = if late.version > version { "late" } else { "2" };
            assert_eq!(b.get().await.0, newest);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            assert_eq!(b.get().await.0, "2");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_names_the_cache_and_its_mode_and_does_not_require_it() {
    let (_world, [a]) = replicas().await;
    let components = a.store.check().await;
    let cache = components
        .iter()
        .find(|component| component.name == "cache");
    let cache = cache.unwrap();
    assert!(cache.result.is_ok() && !cache.required);
    let detail = cache.detail.as_ref().unwrap();
    assert!(detail.starts_with("mode on, epoch 1, read "), "{detail}");
    a.links.cut_cache(true);
    let components = a.store.check().await;
    let cache = components
        .iter()
        .find(|component| component.name == "cache");
    assert!(cache.unwrap().result.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_metrics_tell_the_mode() {
    let world = World::new(1);
    let registry = prometheus::Registry::new();
    let links = Links::new(&world);
    let cache = ReplicatedCache::start(
        Arc::new(CacheLink(Arc::clone(&links))),
        Arc::new(RegisterLink(Arc::clone(&links))),
        Timing::default(),
        Some(&registry),
    );
    let cache = cache.unwrap();
    while !cache.status().hits {
        sleep(Duration::from_millis(100)).await;
    }
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap();
    for line in [
        r#"kverse_cache_mode{mode="on"} 1"#,
        r#"kverse_cache_mode{mode="off"} 0"#,
        "kverse_cache_epoch 1",
        "kverse_cache_reachable 1",
        r#"kverse_cache_transitions_total{mode="warming"} 1"#,
        "kverse_cache_clock_offset_seconds 0",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}
