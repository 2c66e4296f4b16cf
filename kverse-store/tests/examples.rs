//! What the examples say is so.
#![cfg(all(feature = "postgres", feature = "redis", unix))]

#[path = "../examples/replicas.rs"]
#[expect(dead_code, reason = "the example's own main")]
mod replicas;

use kverse_store::testing::{PostgresServer, RedisServer};

#[tokio::test]
async fn replicas_in_a_program_of_ones_own() {
    let database = PostgresServer::shared().create_database();
    let redis = RedisServer::start();
    for visits in [20, 40] {
        let counted = replicas::run(&database.url(), &redis.url()).await;
        assert_eq!(counted.unwrap(), visits);
    }
}
