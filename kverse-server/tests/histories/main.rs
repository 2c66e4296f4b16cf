//! What clients of several servers see has an order that explains it, whatever fails: real servers on a real PostgreSQL with a
//! real Redis in front, each linked by a proxy that can cut or hold its connections.
//!
//! `cargo test --test histories` injects each fault once, under load. For a long run of random faults:
//!
//! ```text
//! cargo test --release -p kverse-server --all-features --test histories -- --hours 2
//! ```
//!
//! It ends at the first violation with a status that is not 0. `--seed` repeats a sequence of faults.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

mod client;
mod clocks;
mod cluster;
mod database;
mod failover;
mod faults;
mod half;
mod interrupted;
mod long;
mod naive;
mod replays;
mod replica;
mod round;
mod sharded;
mod transfers;
mod workload;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use kverse_store::testing::{RedisCluster, RedisServer};
use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

use cluster::Pool;
use failover::End;
use faults::Fault;
use naive::AfterWrite;
use sharded::ShardFault;

/// Histories of several servers under faults: each fault once, or random ones for hours.
#[derive(Parser)]
struct Options {
    /// Injects random faults for so many hours instead of each fault once
    #[arg(long, value_name = "HOURS")]
    hours: Option<f64>,

    /// Where random choices begin [default: anywhere]
    #[arg(long)]
    seed: Option<u64>,

    #[command(flatten)]
    tests: Arguments,
}

/// How many faults are injected at the same time, each into servers of its own. Most of the time they wait.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut options = Options::parse();
    let seed = options.seed.unwrap_or_else(rand::random);
    let runtime = Arc::new(Runtime::new().unwrap());
    if let Some(hours) = options.hours {
        let duration = Duration::from_secs_f64(hours * 3600.0);
        runtime.block_on(long::run(duration, seed));
        return ExitCode::SUCCESS;
    }
    options.tests.test_threads.get_or_insert(THREADS);
    let trials = trials(&runtime, seed);
    libtest_mimic::run(&options.tests, trials).exit_code()
}

fn trials(runtime: &Arc<Runtime>, seed: u64) -> Vec<Trial> {
    let pool = Arc::new(Pool::<RedisServer>::default());
    let mut trials = Vec::new();
    for (number, fault) in (0..).zip(Fault::ALL) {
        let (runtime, pool) = (Arc::clone(runtime), Arc::clone(&pool));
        trials.push(Trial::test(fault.to_string(), move || {
            runtime.block_on(async {
                let mut cluster = pool.take().await;
                round::round(&mut cluster, fault, seed.wrapping_add(number)).await;
                pool.give_back(cluster);
            });
            Ok(())
        }));
    }
    let sharded = Arc::new(Pool::<RedisCluster>::default());
    for (number, fault) in (100..).zip(ShardFault::ALL) {
        let (runtime, pool) = (Arc::clone(runtime), Arc::clone(&sharded));
        trials.push(Trial::test(fault.to_string(), move || {
            runtime.block_on(async {
                let mut cluster = pool.take().await;
                sharded::round(&mut cluster, fault, seed.wrapping_add(number)).await;
                pool.give_back(cluster);
            });
            Ok(())
        }));
    }
    let on_cluster = (Arc::clone(runtime), Arc::clone(&pool));
    trials.push(Trial::test("replays_are_done_once", move || {
        let (runtime, pool) = on_cluster;
        runtime.block_on(async {
            let cluster = pool.take().await;
            replays::get_their_first_answer(&cluster).await;
            pool.give_back(cluster);
        });
        Ok(())
    }));
    let on_cluster = (Arc::clone(runtime), Arc::clone(&pool));
    trials.push(Trial::test("transfers_keep_the_sum", move || {
        let (runtime, pool) = on_cluster;
        runtime.block_on(async {
            let mut cluster = pool.take().await;
            transfers::keep_the_sum(&mut cluster, seed).await;
            pool.give_back(cluster);
        });
        Ok(())
    }));
    for (name, end) in [
        ("standby_promoted_after_primary_was_killed", End::Killed),
        ("standby_promoted_after_primary_was_stopped", End::Stopped),
    ] {
        let runtime = Arc::clone(runtime);
        trials.push(Trial::test(name, move || {
            runtime.block_on(failover::loses_nothing(end, seed));
            Ok(())
        }));
    }
    let on_runtime = Arc::clone(runtime);
    trials.push(Trial::test("stale_standby_is_found_out", move || {
        on_runtime.block_on(failover::is_found_out(seed));
        Ok(())
    }));
    let on_runtime = Arc::clone(runtime);
    trials.push(Trial::test("half_transactions_are_found", move || {
        on_runtime.block_on(half::is_found_out(seed));
        Ok(())
    }));
    for (name, after_write) in [
        ("naive_cache_that_is_set_is_found_out", AfterWrite::Set),
        (
            "naive_cache_that_is_deleted_is_found_out",
            AfterWrite::Delete,
        ),
    ] {
        let runtime = Arc::clone(runtime);
        trials.push(Trial::test(name, move || {
            runtime.block_on(naive::is_found_out(after_write, seed));
            Ok(())
        }));
    }
    trials
}
