//! The contract of the service that KVerse replaces, byte for byte.

use std::time::Duration;

use kverse_core::{Key, KvStoreExt};
use reqwest::{Method, Response};
use serde_json::Value;

use crate::common::Server;

async fn body(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, response.text().await.unwrap())
}

fn ok(text: &str) -> (u16, String) {
    (200, text.to_owned())
}

#[tokio::test]
async fn put_get_delete() {
    let server = Server::start();
    let put = server.put_json(r#"{"key": "greeting", "value": "hello"}"#);
    let put = put.send().await.unwrap();
    assert_eq!(put.headers()["content-type"], "application/json");
    assert_eq!(body(put).await, ok(r#"{"status":"ok"}"#));

    let get = || server.get("/kv?key=greeting").send();
    let found = get().await.unwrap();
    assert_eq!(found.headers()["content-type"], "application/json");
    assert_eq!(body(found).await, ok(r#"{"data":{"value":"hello"}}"#));

    let delete = || server.delete("/kv?key=greeting").send();
    let deleted = delete().await.unwrap();
    assert_eq!(deleted.headers()["content-type"], "application/json");
    assert_eq!(
        body(deleted).await,
        ok(r#"{"key":"greeting","deleted":true}"#)
    );
    let deleted = delete().await.unwrap();
    assert_eq!(
        body(deleted).await,
        ok(r#"{"key":"greeting","deleted":false}"#)
    );

    let (status, problem) = body(get().await.unwrap()).await;
    let problem: Value = serde_json::from_str(&problem).unwrap();
    assert_eq!(status, 404);
    assert!(problem["detail"].is_string(), "{problem}");
}

#[tokio::test]
async fn health_and_stats() {
    let server = Server::start();
    let health = server.get("/health").send().await.unwrap();
    assert_eq!(body(health).await, ok(r#"{"status":"ok"}"#));
    for key in ["a", "b", "c"] {
        let put = format!(r#"{{"key":"{key}","value":""}}"#);
        assert_eq!(server.put_json(&put).send().await.unwrap().status(), 200);
    }
    let stats: Value = server
        .get("/stats")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(stats["items"], 3);
    assert_eq!(stats["as_of"], "2026-01-01T00:00:00.000000Z");
}

#[tokio::test]
async fn text_comes_back_as_it_was_sent() {
    let server = Server::start();
    for value in [
        "",
        "\"\\\u{0}\u{1f}\n\u{7f}",
        "é€😀\u{2028}",
        "{\"a\":1}",
        &"x".repeat(100_000),
    ] {
        let put = serde_json::json!({"key": "k", "value": value}).to_string();
        assert_eq!(server.put_json(&put).send().await.unwrap().status(), 200);
        let found: Value = server
            .get("/kv?key=k")
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(found["data"]["value"], value);
        assert_eq!(found["data"].as_object().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_body_without_a_content_type_is_json() {
    let server = Server::start();
    let put = server.put("/kv", r#"{"value":"v","key":"k"}"#).send().await;
    assert_eq!(body(put.unwrap()).await, ok(r#"{"status":"ok"}"#));
}

#[tokio::test]
async fn what_is_not_text_is_answered_as_base64() {
    let server = Server::start();
    let key: Key = "k".parse().unwrap();
    server.store.put(&key, &b"\xff\x00"[..]).await.unwrap();
    let found = server.get("/kv?key=k").send().await.unwrap();
    assert_eq!(
        body(found).await,
        ok(r#"{"data":{"value":"/wA=","encoding":"base64"}}"#)
    );
}

#[tokio::test]
async fn the_query_is_decoded_like_a_form() {
    let server = Server::start();
    let key: Key = "a b+é/%".parse().unwrap();
    server.store.put(&key, "v").await.unwrap();
    for query in ["key=a+b%2B%C3%A9/%25", "k%65y=a%20b%2b%c3%a9%2F%25&"] {
        let found = server.get(&format!("/kv?{query}")).send().await.unwrap();
        assert_eq!(
            body(found).await,
            ok(r#"{"data":{"value":"v"}}"#),
            "{query}"
        );
    }
}

#[tokio::test]
async fn headers_say_more() {
    let server = Server::start();
    let put = server.put_json(r#"{"key":"k","value":"v","ttl":"90s"}"#);
    let put = put.send().await.unwrap();
    let version = "\"1767225600000000\"";
    let expires_at = "2026-01-01T00:01:30.000000Z";
    assert_eq!(put.headers()["etag"], version);
    assert_eq!(put.headers()["kverse-expires-at"], expires_at);
    assert_eq!(body(put).await, ok(r#"{"status":"ok"}"#));

    let get = || server.get("/kv?key=k").send();
    let found = get().await.unwrap();
    assert_eq!(found.headers()["etag"], version);
    assert_eq!(found.headers()["kverse-expires-at"], expires_at);
    assert_eq!(found.headers()["kverse-cache"], "off");

    server.clock.advance(Duration::from_millis(89_999));
    assert_eq!(get().await.unwrap().status(), 200);
    server.clock.advance(Duration::from_millis(1));
    assert_eq!(get().await.unwrap().status(), 404);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::start();
    server
        .put_json(r#"{"key":"k","value":"v"}"#)
        .send()
        .await
        .unwrap();
    for path in [
        "/kv?key=k",
        "/kv/k",
        "/keys",
        "/stats",
        "/limits",
        "/health",
        "/info",
        "/livez",
        "/readyz",
        "/",
    ] {
        let get = server.get(path).send().await.unwrap();
        let head = server.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(head.status(), 200, "{path}");
        for header in ["content-type", "content-length", "etag"] {
            let (get, head) = (get.headers().get(header), head.headers().get(header));
            assert_eq!(get, head, "{path} {header}");
        }
        assert_eq!(head.text().await.unwrap(), "");
    }
    let missing = server.request(Method::HEAD, "/kv?key=missing").send().await;
    assert_eq!(missing.unwrap().status(), 404);
}

#[tokio::test]
async fn readiness_names_its_checks() {
    let server = Server::start();
    let ready: Value = server
        .get("/readyz?verbose")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(ready["status"], "ok");
    assert_eq!(ready["checks"][0]["name"], "memory");
    assert_eq!(ready["checks"][0]["status"], "ok");
    assert!(ready["checks"][0]["duration_ms"].is_number());
}
