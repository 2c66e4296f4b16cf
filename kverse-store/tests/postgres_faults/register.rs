//! The register of the cache mode.

use std::time::{Duration, SystemTime};

use kverse_core::cached::{Mode, ModeRegister, ModeState};
use kverse_store::postgres::PostgresModeRegister;
use kverse_store::testing::PostgresServer;

use crate::common::open;

#[tokio::test]
async fn the_mode_register_changes_by_comparison_and_counts_replicas() {
    let database = PostgresServer::shared().create_database();
    let store = open(&database.url()).await;
    let (one, other) = (
        store.mode_register().unwrap(),
        store.mode_register().unwrap(),
    );
    let fresh = one.read().await.unwrap();
    assert_eq!((fresh.revision, fresh.mode), (0, Mode::Off));
    assert_eq!(fresh.run_id, "");
    assert!(fresh.epoch > 0, "one that was never used");
    assert_eq!(other.read().await.unwrap(), fresh);
    let warming = ModeState {
        revision: 1,
        epoch: fresh.epoch + 1,
        mode: Mode::Warming,
        run_id: "run".to_owned(),
    };
    let (first, second) = tokio::join!(
        one.compare_and_swap(0, warming.clone()),
        other.compare_and_swap(0, warming.clone())
    );
    assert_eq!(
        [first.unwrap(), second.unwrap()]
            .iter()
            .filter(|won| **won)
            .count(),
        1
    );
    assert_eq!(other.read().await.unwrap(), warming);

    let minute = Duration::from_secs(60);
    let beat = async |register: &PostgresModeRegister, replica, revision| {
        let beat = register.heartbeat(replica, revision, minute).await.unwrap();
        let off = SystemTime::from(beat.now).elapsed().unwrap_or_default();
        assert!(off < Duration::from_secs(10), "{beat:?}");
        (beat.alive, beat.ready)
    };
    assert_eq!(beat(&one, 1, 1).await, (1, 1));
    assert_eq!(beat(&other, 2, 0).await, (2, 2));
    assert_eq!(beat(&one, 1, 1).await, (2, 1));
    assert_eq!(beat(&other, u128::MAX, 1).await, (3, 2));
    database.sql("UPDATE replica SET seen_at = seen_at - 61000000 WHERE id <> decode(repeat('ff', 16), 'hex')");
    assert_eq!(beat(&other, u128::MAX, 1).await, (1, 1));
    assert_eq!(database.sql("SELECT count(*) FROM replica"), "1");
}
