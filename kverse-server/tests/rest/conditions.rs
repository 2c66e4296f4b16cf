//! Preconditions and retries.

use kverse_core::{Key, KvStoreExt};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::common::Server;

const VERSION: &str = "\"1767225600000000\"";

/// A server with the key `k`, which has [`VERSION`].
async fn server() -> Server {
    let server = Server::start();
    let put = server.put("/kv/k", "v").send().await.unwrap();
    assert_eq!(put.headers()["etag"], VERSION);
    server
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn writes_are_done_only_if_they_may() {
    let server = server().await;
    let forms: [&dyn Fn() -> RequestBuilder; 5] = [
        &|| server.put("/kv/k", "w"),
        &|| server.put("/kv?key=k", "w"),
        &|| server.put_json(r#"{"key":"k","value":"w"}"#),
        &|| server.delete("/kv/k"),
        &|| server.delete("/kv?key=k"),
    ];
    for form in forms {
        for (header, value) in [("If-Match", "\"1\""), ("If-None-Match", "*")] {
            let failed = form().header(header, value).send().await.unwrap();
            assert_eq!(failed.status(), 412);
            let problem: Value = failed.json().await.unwrap();
            assert_eq!(problem["code"], "precondition_failed");
            assert_eq!(problem["current_version"], VERSION.trim_matches('"'));
        }
    }
    let key: Key = "k".parse().unwrap();
    assert_eq!(server.store.get(&key).await.unwrap().unwrap().value, "v");

    assert_eq!(
        status(server.put("/kv/k", "w").header("If-Match", VERSION)).await,
        200
    );
    assert_eq!(
        status(server.delete("/kv/k").header("If-Match", "*")).await,
        204
    );
    assert_eq!(
        status(server.put("/kv/k", "w").header("If-Match", "*")).await,
        412
    );
    assert_eq!(
        status(server.delete("/kv/k").header("If-Match", "*")).await,
        412
    );
    assert_eq!(
        status(server.put("/kv/k", "w").header("If-None-Match", "*")).await,
        201
    );
}

#[tokio::test]
async fn a_condition_that_is_not_understood_is_refused() {
    let server = server().await;
    let cases: &[&[(&str, &str)]] = &[
        &[("If-Match", "1767225600000000")],
        &[("If-Match", "W/\"1767225600000000\"")],
        &[("If-Match", "\"*\"")],
        &[("If-Match", "\"x\"")],
        &[("If-Match", "")],
        &[("If-Match", "\"1\", \"2\"")],
        &[("If-Match", "\"1767225600000000\""), ("If-Match", "*")],
        &[("If-Match", "*"), ("If-None-Match", "*")],
        &[("If-None-Match", VERSION)],
        &[("If-None-Match", "*"), ("If-None-Match", "*")],
        &[("If-Unmodified-Since", "Thu, 01 Jan 2026 00:00:00 GMT")],
        &[("If-Modified-Since", "Thu, 01 Jan 2026 00:00:00 GMT")],
        &[("If-Range", VERSION)],
    ];
    for headers in cases {
        for form in [
            server.put("/kv/k", "w"),
            server.put_json(r#"{"key":"k","value":"w"}"#),
            server.request(reqwest::Method::PATCH, "/kv/k?ttl=1h"),
            server.delete("/kv/k"),
            server.delete("/kv?key=k"),
        ] {
            let request = headers
                .iter()
                .fold(form, |form, (name, value)| form.header(*name, *value));
            let refused = request.send().await.unwrap();
            assert_eq!(refused.status(), 400, "{headers:?}");
            let problem: Value = refused.json().await.unwrap();
            assert_eq!(problem["code"], "malformed_condition", "{headers:?}");
        }
    }
    // Where there is no single key that a condition could be about.
    let batch = serde_json::json!({"operations": [{"op": "delete", "key": "k"}]});
    for path in ["/batch", "/transaction"] {
        let refused = server.post(path, &batch).header("If-Match", "\"1\"");
        assert_eq!(status(refused).await, 400, "{path}");
    }
    for (name, value) in [
        ("If-None-Match", "1"),
        ("If-None-Match", "\"1\","),
        ("If-Match", "1767225600000000"),
    ] {
        assert_eq!(
            status(server.get("/kv/k").header(name, value)).await,
            400,
            "{name}: {value}"
        );
    }
    let key: Key = "k".parse().unwrap();
    assert_eq!(server.store.get(&key).await.unwrap().unwrap().value, "v");
}

#[tokio::test]
async fn a_read_of_what_the_client_has_is_304() {
    let server = server().await;
    for path in ["/kv/k", "/kv?key=k"] {
        for tags in [VERSION, "*", "\"1\", W/\"1767225600000000\""] {
            let response = server
                .get(path)
                .header("If-None-Match", tags)
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), 304, "{path} {tags}");
            assert_eq!(response.headers()["etag"], VERSION);
            assert_eq!(response.text().await.unwrap(), "");
        }
        assert_eq!(
            status(server.get(path).header("If-None-Match", "\"1\"")).await,
            200
        );
    }
    assert_eq!(
        status(server.get("/kv/none").header("If-None-Match", "*")).await,
        404
    );
}

#[tokio::test]
async fn a_retried_write_gets_its_first_answer() {
    let server = Server::start();
    let create = |value: &'static str| {
        let put = server.put("/kv/k", value).header("If-None-Match", "*");
        put.header("Idempotency-Key", "7f0c")
    };
    for _ in 0..2 {
        let created = create("v").send().await.unwrap();
        assert_eq!(created.status(), 201);
        assert_eq!(created.headers()["etag"], VERSION);
    }
    // Another write under the same key is another write.
    assert_eq!(status(create("w")).await, 412);
    let delete = || server.delete("/kv/k").header("Idempotency-Key", "81aa");
    assert_eq!(status(delete()).await, 204);
    assert_eq!(status(delete()).await, 204);
    assert_eq!(status(server.delete("/kv/k")).await, 404);

    let long = "x".repeat(256);
    assert_eq!(
        status(server.put("/kv/k", "v").header("Idempotency-Key", "")).await,
        422
    );
    assert_eq!(
        status(server.put("/kv/k", "v").header("Idempotency-Key", long)).await,
        413
    );
    let doubled = server.put("/kv/k", "v").header("Idempotency-Key", "a");
    assert_eq!(status(doubled.header("Idempotency-Key", "b")).await, 400);
    assert_eq!(server.items().await, 0);
}

#[tokio::test]
async fn a_read_of_what_the_client_does_not_want_is_412() {
    let server = server().await;
    for path in ["/kv/k", "/kv?key=k"] {
        for (tags, expected) in [
            ("*", 200),
            (VERSION, 200),
            ("\"1\", \"1767225600000000\"", 200),
            ("\"1\"", 412),
            // A weak tag does not promise the same bytes.
            ("W/\"1767225600000000\"", 412),
        ] {
            let response = server
                .get(path)
                .header("If-Match", tags)
                .send()
                .await
                .unwrap();
            assert_eq!(response.status(), expected, "{path} {tags}");
            assert_eq!(response.headers()["etag"], VERSION, "{path} {tags}");
        }
    }
    let missing = server.get("/kv/none").header("If-Match", "*");
    assert_eq!(status(missing).await, 404);
    // What is about times may be ignored where there are none.
    let since = server
        .get("/kv/k")
        .header("If-Unmodified-Since", "Thu, 01 Jan 2015 00:00:00 GMT");
    assert_eq!(status(since).await, 200);
}

#[tokio::test]
async fn a_write_that_a_proxy_repeats_gets_its_first_answer() {
    let server = Server::start();
    const ID: &str = "8c7d4e1f5a6b7c8d9e0f1a2b3c4d5e6f";
    let create = |value: &'static str, id: &str| {
        let put = server.put("/kv/k", value).header("If-None-Match", "*");
        put.header("X-Request-Id", id.to_owned())
    };
    assert_eq!(status(create("v", ID)).await, 201);
    assert_eq!(status(create("v", ID)).await, 201);
    // The same id with another request, and an id that others may have.
    assert_eq!(status(create("w", ID)).await, 412);
    assert_eq!(status(create("v", "1")).await, 412);
    // An entry that is kept alive is kept alive.
    let prolong = || {
        let put = server.put("/kv/alive?ttl=1m", "v");
        put.header("X-Request-Id", ID)
    };
    prolong().send().await.unwrap();
    server.clock.advance(std::time::Duration::from_secs(50));
    prolong().send().await.unwrap();
    server.clock.advance(std::time::Duration::from_secs(50));
    assert_eq!(status(server.get("/kv/alive")).await, 200);
}

#[tokio::test]
async fn a_batch_and_a_transaction_are_done_once_under_an_idempotency_key() {
    let server = Server::start();
    let operations = serde_json::json!({"operations": [
        {"op": "put", "key": "a", "value": "1", "if_none_match": "*"},
        {"op": "put", "key": "b", "value": "1", "if_none_match": "*"},
    ]});
    for (path, key) in [("/batch", "one"), ("/transaction", "two")] {
        let mut answers = Vec::new();
        for _ in 0..2 {
            let request = server
                .post(path, &operations)
                .header("Idempotency-Key", key);
            let answer: Value = request.send().await.unwrap().json().await.unwrap();
            assert_eq!(answer["results"][1]["status"], 201, "{path}: {answer}");
            answers.push(answer["results"][0]["version"].clone());
        }
        assert_eq!(answers[0], answers[1]);
        server
            .delete("/keys?prefix=&confirm=*")
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn the_expiry_changes_without_the_value() {
    let server = server().await;
    let touch = |path: &str| server.request(reqwest::Method::PATCH, path);
    let touched = touch("/kv/k?ttl=90s").send().await.unwrap();
    assert_eq!(touched.status(), 200);
    assert_eq!(
        touched.headers()["kverse-expires-at"],
        "2026-01-01T00:01:30.000000Z"
    );
    let version = touched.headers()["etag"].clone();
    assert_ne!(version, VERSION);
    assert_eq!(
        status(touch("/kv/k?ttl=none").header("If-Match", VERSION)).await,
        412
    );
    let kept = touch("/kv?key=k&ttl=keep")
        .header("If-Match", version)
        .send()
        .await
        .unwrap();
    assert_eq!(
        kept.headers()["kverse-expires-at"],
        "2026-01-01T00:01:30.000000Z"
    );
    let removed = touch("/kv/k?ttl=none").send().await.unwrap();
    assert!(removed.headers().get("kverse-expires-at").is_none());
    let found = server.get("/kv/k").send().await.unwrap();
    assert_eq!(found.headers()["etag"], removed.headers()["etag"]);
    assert_eq!(found.text().await.unwrap(), "v");

    let batch = serde_json::json!({"operations": [
        {"op": "touch", "key": "k", "ttl": "1h30m"},
        {"op": "touch", "key": "none", "ttl": "90"},
    ]});
    let answer: Value = server
        .post("/transaction", &batch)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(answer["results"][0]["status"], 200, "{answer}");
    assert_eq!(
        answer["results"][0]["expires_at"],
        "2026-01-01T01:30:00.000000Z"
    );
    assert_eq!(answer["results"][1]["status"], 404);

    assert_eq!(status(touch("/kv/none?ttl=1s")).await, 404);
    assert_eq!(status(touch("/kv/k")).await, 422);
    assert_eq!(status(touch("/kv/k?ttl=0")).await, 422);
    assert_eq!(status(touch("/kv/k?ttl=1s").body("value")).await, 413);
    for operation in [
        serde_json::json!({"op": "touch", "key": "k"}),
        serde_json::json!({"op": "touch", "key": "k", "ttl": "1s", "value": "v"}),
        serde_json::json!({"op": "delete", "key": "k", "ttl": "1s"}),
    ] {
        let batch = serde_json::json!({"operations": [operation]});
        assert_eq!(status(server.post("/batch", &batch)).await, 422, "{batch}");
    }
}
