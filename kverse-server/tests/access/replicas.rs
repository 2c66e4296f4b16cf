//! Several servers on one PostgreSQL.

use std::time::{Duration, Instant};

use kverse_store::testing::{PostgresOptions, PostgresServer};
use serde_json::{Value, json};

use crate::common::{ROOT, Server, problem};

/// Waits until the token is refused; how long that took.
async fn until_refused(server: &Server, token: &str) -> Duration {
    let started = Instant::now();
    loop {
        let response = server.get("/kv/a", token).await;
        match response.status().as_u16() {
            401 => return started.elapsed(),
            404 => {}
            status => panic!("{status}"),
        }
        assert!(started.elapsed() < Duration::from_secs(20), "still valid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_revokes_the_other_refuses_within_a_second() {
    const AGREED: Duration = Duration::from_secs(1);
    let database = PostgresServer::shared().create_database();
    let (one, other) = (
        Server::start_on(&database.url(), &[]),
        Server::start_on(&database.url(), &[]),
    );
    let created = one.create(json!([{"verbs": ["read"], "prefix": ""}])).await;
    let (id, token) = (
        created["id"].as_str().unwrap(),
        created["token"].as_str().unwrap(),
    );
    // Known to both, freshly.
    assert_eq!(one.get("/kv/a", token).await.status(), 404);
    assert_eq!(other.get("/kv/a", token).await.status(), 404);
    let rotated = one
        .post(&format!("/tokens/{id}/rotate"), ROOT, &json!({}))
        .await;
    let rotated: Value = rotated.json().await.unwrap();
    let (mine, theirs) = (
        until_refused(&one, token).await,
        until_refused(&other, token).await,
    );
    assert!(mine < AGREED && theirs < AGREED, "{mine:?} {theirs:?}");

    let token = rotated["token"].as_str().unwrap();
    assert_eq!(other.get("/kv/a", token).await.status(), 404);
    assert_eq!(
        one.delete(&format!("/tokens/{id}"), ROOT).await.status(),
        204
    );
    let theirs = until_refused(&other, token).await;
    assert!(theirs < AGREED, "{theirs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_checked_is_a_503() {
    let database = PostgresServer::start(PostgresOptions::default());
    let server = Server::start_on(&database.url("postgres"), &[]);
    let token = server
        .token(json!([{"verbs": ["read"], "prefix": ""}]))
        .await;
    assert_eq!(server.get("/tokens/self", &token).await.status(), 200);
    database.stop();
    let started = Instant::now();
    let refused = loop {
        let response = server.get("/tokens/self", &token).await;
        if response.status() != 200 {
            break response;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "still valid");
    };
    assert_eq!(refused.headers()["retry-after"], "1");
    let (status, refused) = problem(refused).await;
    assert_eq!((status, &refused["code"]), (503, &json!("unavailable")));
    // The bootstrap token needs no database.
    assert_eq!(server.get("/tokens/self", ROOT).await.status(), 200);
    database.start_again();
    let back = loop {
        let status = server.get("/tokens/self", &token).await.status();
        if status == 200 || started.elapsed() > Duration::from_secs(60) {
            break status;
        }
    };
    assert_eq!(back, 200);
}
