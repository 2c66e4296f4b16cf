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
    ];
    for headers in cases {
        for form in [server.put("/kv/k", "w"), server.delete("/kv/k")] {
            let request = headers
                .iter()
                .fold(form, |form, (name, value)| form.header(*name, *value));
            let refused = request.send().await.unwrap();
            assert_eq!(refused.status(), 400, "{headers:?}");
            let problem: Value = refused.json().await.unwrap();
            assert_eq!(problem["code"], "malformed_condition", "{headers:?}");
        }
    }
    for (name, value) in [
        ("If-None-Match", "1"),
        ("If-None-Match", "\"1\","),
        ("If-Match", "*"),
        ("If-Unmodified-Since", "Thu, 01 Jan 2026 00:00:00 GMT"),
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
