//! How many requests a client may make.

use serde_json::json;

use crate::common::{ROOT, Server, problem};

#[tokio::test]
async fn each_token_has_its_own_rate() {
    let server = Server::start(&["--rate-limit", "10/h", "--rate-burst", "5"]);
    let scopes = json!([{"verbs": ["read", "write"], "prefix": ""}]);
    let (one, other) = (
        server.token(scopes.clone()).await,
        server.token(scopes).await,
    );
    for _ in 0..5 {
        assert_eq!(server.get("/kv/a", &one).await.status(), 404);
    }
    let refused = server.put("/kv/a", &one).await;
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((300..=360).contains(&wait), "{wait}");
    assert_eq!(problem(refused).await.1["code"], "too_many_requests");
    // Nothing was done, others go on, and whoever watches the service is served.
    assert_eq!(server.get("/kv/a", &other).await.status(), 404);
    for _ in 0..10 {
        assert_eq!(server.get("/livez", "").await.status(), 200);
        assert_eq!(server.get("/readyz", "").await.status(), 200);
    }
    let missing = server.get("/kv/a", "").await;
    assert_eq!(missing.status(), 401);
    // Who has no token is counted by address.
    let mut last = missing;
    for _ in 0..10 {
        last = server.get("/kv/a", "").await;
    }
    assert_eq!(last.status(), 429);
    assert_eq!(server.get("/kv/a", &other).await.status(), 404);
    assert_eq!(server.get("/tokens/self", ROOT).await.status(), 200);
}

#[tokio::test]
async fn without_tokens_each_address_has_its_own_rate() {
    let clock = std::sync::Arc::default();
    let opened = crate::common::memory(&clock).into();
    let options = ["--rate-limit", "3/h", "--trusted-proxies", "127.0.0.0/8"];
    let server = Server::serve_anonymous(opened, &options);
    let get = |forwarded: &'static str| {
        let request = server.request(reqwest::Method::GET, "/kv/a", "");
        request.header("X-Forwarded-For", forwarded).send()
    };
    for (forwarded, status) in [
        ("192.0.2.1", 404),
        ("192.0.2.1", 404),
        ("8.8.8.8, 192.0.2.1", 404),
        ("9.9.9.9, 192.0.2.1", 429),
        ("192.0.2.2", 404),
    ] {
        assert_eq!(
            get(forwarded).await.unwrap().status(),
            status,
            "{forwarded}"
        );
    }
}

#[tokio::test]
async fn guesses_of_tokens_are_limited_and_tokens_in_use_are_not() {
    let server = Server::start(&[]);
    let token = server
        .token(json!([{"verbs": ["read"], "prefix": ""}]))
        .await;
    assert_eq!(server.get("/kv/a", &token).await.status(), 404);
    let mut statuses = Vec::new();
    for i in 0..400 {
        let guess = format!("kv_guess{i}_{}", "x".repeat(43));
        statuses.push(server.get("/kv/a", &guess).await.status().as_u16());
        if statuses.ends_with(&[429]) {
            break;
        }
    }
    assert!(statuses.ends_with(&[429]), "{statuses:?}");
    assert_eq!(server.get("/kv/a", &token).await.status(), 404);
}
