//! Random interleavings of writers and readers, step by step: both caches answer as the reference does, and no hit is
//! older than what was committed before.

use kverse_core::cached::EpochCache;
use kverse_store::testing::{RedisCluster, RedisServer};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Runtime;

use crate::behind::Behind;
use crate::common::{connect, connect_cluster, patient};
use crate::in_process::{InProcess, now};
use crate::world::{Fence, KEYS, Step, run};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..3usize, 1..4usize).prop_map(|(writer, keys)| Step::Write(writer, keys)),
        1 => (0..3usize).prop_map(Step::LoseOutcome),
        1 => (0..3usize).prop_map(Step::NotCached),
        2 => (0..3usize).prop_map(Step::RollBack),
        12 => (0..3usize, 0..KEYS).prop_map(|(reader, key)| Step::Read(reader, key)),
        1 => (0..3usize).prop_map(Step::FailToRead),
        1 => (0..3usize).prop_map(Step::Renew),
        2 => (0..3usize).prop_map(Step::Die),
        4 => (0..3usize).prop_map(Step::Lapse),
        2 => (0..KEYS).prop_map(Step::Evict),
        1 => Just(Step::Flush),
    ];
    proptest::collection::vec(step, 1..60)
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    })
}

fn runtime() -> Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

fn on_redis(fence: Fence, cases: u32) -> Result<(), String> {
    let (runtime, server) = (runtime(), RedisServer::start());
    let cache = runtime.block_on(connect(&server, patient()));
    on(&runtime, &cache, &Behind::server(&server), fence, cases)
}

fn on_cluster(fence: Fence, cases: u32) -> Result<(), String> {
    let (runtime, cluster) = (runtime(), RedisCluster::start());
    let cache = runtime.block_on(connect_cluster(&cluster, patient()));
    let behind = Behind::cluster(&cluster, &cache);
    on(&runtime, &cache, &behind, fence, cases)
}

fn on(
    runtime: &Runtime,
    cache: &dyn EpochCache,
    behind: &Behind<'_>,
    fence: Fence,
    cases: u32,
) -> Result<(), String> {
    runner(cases)
        .run(&steps(), |steps| {
            runtime.block_on(run(cache, Some(behind), fence, &steps))
        })
        .map_err(|error| error.to_string())
}

#[test]
fn redis_answers_as_the_reference_and_never_stale() {
    on_redis(Fence::Kept, 1000).unwrap();
}

#[test]
fn without_the_fence_the_same_interleavings_find_stale_hits() {
    let error = on_redis(Fence::Broken, 4000).unwrap_err();
    assert!(error.contains("stale"), "{error}");
}

#[test]
fn a_cluster_answers_as_the_reference_and_never_stale() {
    on_cluster(Fence::Kept, 300).unwrap();
}

#[test]
fn without_the_fence_a_cluster_has_stale_hits() {
    let error = on_cluster(Fence::Broken, 4000).unwrap_err();
    assert!(error.contains("stale"), "{error}");
}

#[test]
fn the_cache_in_the_process_answers_as_the_reference_and_never_stale() {
    let cache = InProcess::new();
    runner(2000)
        .run(&steps(), |steps| {
            now(run(&cache, None, Fence::Kept, &steps))
        })
        .unwrap();
}
