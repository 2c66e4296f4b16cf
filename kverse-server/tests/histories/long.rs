//! Random faults for hours.

use std::time::{Duration, Instant};

use kverse_store::testing::RedisServer;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::cluster::Cluster;
use crate::faults::Fault;
use crate::round::round;

/// Injects one random fault after another into three replicas. A line for each is printed, and after each minute one for
/// all so far.
///
/// # Panics
/// At the first violation, and if the service does not recover from a fault.
pub(crate) async fn run(duration: Duration, seed: u64) {
    println!("random faults for {duration:?}, seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut cluster = Cluster::<RedisServer>::start(3).await;
    let (began, mut minute) = (Instant::now(), 1);
    let (mut faults, mut operations, mut hits) = (0, 0, 0);
    while began.elapsed() < duration {
        let Some(fault) = Fault::ALL.choose(&mut random) else {
            return;
        };
        let report = round(&mut cluster, *fault, random.random()).await;
        faults += 1;
        operations += report.operations;
        hits += report.hits();
        let minutes = began.elapsed().as_secs() / 60;
        if minutes >= minute {
            minute = minutes + 1;
            println!(
                "{minutes} min: {faults} faults, {operations} operations, {hits} hits, 0 violations"
            );
        }
    }
    println!("{faults} faults, {operations} operations, {hits} hits, 0 violations");
}
