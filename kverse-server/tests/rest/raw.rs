//! Bytes in, bytes out.

use std::time::Duration;

use futures_util::stream;
use kverse_core::{Key, KvStoreExt};
use reqwest::Body;
use serde_json::Value;

use crate::common::Server;

#[tokio::test]
async fn put_get_delete() {
    let server = Server::start();
    let put = || {
        let bytes: Vec<u8> = (0..=255).collect();
        server
            .put("/kv/a/b", bytes)
            .header("Content-Type", "image/png; x=1")
    };
    let created = put().send().await.unwrap();
    assert_eq!(created.status(), 201);
    assert_eq!(created.headers()["etag"], "\"1767225600000000\"");
    assert_eq!(created.text().await.unwrap(), "");
    let replaced = put().send().await.unwrap();
    assert_eq!(replaced.status(), 200);
    assert_eq!(replaced.headers()["etag"], "\"1767225600000001\"");

    let found = server.get("/kv/a/b").send().await.unwrap();
    assert_eq!(found.status(), 200);
    let headers = found.headers();
    assert_eq!(headers["etag"], "\"1767225600000001\"");
    assert_eq!(headers["content-type"], "image/png; x=1");
    assert_eq!(headers["content-length"], "256");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(
        headers["content-security-policy"],
        "sandbox; default-src 'none'"
    );
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(found.bytes().await.unwrap(), bytes);

    let deleted = server.delete("/kv/a/b").send().await.unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(server.delete("/kv/a/b").send().await.unwrap().status(), 404);
    let missing = server.get("/kv/a/b").send().await.unwrap();
    assert_eq!(missing.status(), 404);
    assert_eq!(
        missing.headers()["content-type"],
        "application/problem+json"
    );
}

#[tokio::test]
async fn without_a_content_type_it_is_bytes() {
    let server = Server::start();
    server.put("/kv/k", "v").send().await.unwrap();
    let found = server.get("/kv/k").send().await.unwrap();
    assert_eq!(found.headers()["content-type"], "application/octet-stream");
}

#[tokio::test]
async fn the_path_is_the_key_as_it_came() {
    let server = Server::start();
    for (path, key) in [
        ("a//b", "a//b"),
        ("/a/", "/a/"),
        ("../x/./y", "../x/./y"),
        ("a%2Fb%252F%3F", "a/b%2F?"),
        ("a+b%20c", "a+b c"),
        ("%C3%A9%F0%9F%98%80", "é😀"),
        ("%0A%7F%01", "\n\u{7f}\u{1}"),
    ] {
        let put = format!(
            "PUT /kv/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nv"
        );
        let answer = server.exchange(put).await;
        assert!(answer.starts_with("HTTP/1.1 201 "), "{path}: {answer}");
        let found = server.store.get(&Key::new(key).unwrap()).await.unwrap();
        assert!(found.is_some(), "{path}");
        let get = format!("GET /kv/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = server.exchange(get).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
}

#[tokio::test]
async fn keys_that_proxies_would_rewrite_go_into_the_query() {
    let server = Server::start();
    let path = "/kv?key=a//..%2F%00".replace("%00", "b");
    let put = || server.put(&path, "<v>").header("Content-Type", "text/html");
    assert_eq!(put().send().await.unwrap().status(), 201);
    assert_eq!(put().send().await.unwrap().status(), 200);
    let found = server
        .get(&path)
        .header("Accept", "text/*, application/octet-stream;q=0.5");
    let found = found.send().await.unwrap();
    assert_eq!(found.headers()["content-type"], "text/html");
    assert_eq!(found.headers()["x-content-type-options"], "nosniff");
    assert_eq!(found.text().await.unwrap(), "<v>");
    let delete = || {
        server
            .delete(&path)
            .header("Accept", "application/octet-stream")
            .send()
    };
    assert_eq!(delete().await.unwrap().status(), 204);
    assert_eq!(delete().await.unwrap().status(), 404);
    // Without a content type, too.
    assert_eq!(server.put(&path, "v").send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn json_is_a_value_for_who_asks_for_bytes() {
    let server = Server::start();
    // Neither what the JSON form takes nor JSON at all: nobody looks.
    for (key, value) in [
        ("..", r#"{"key":"x","value":"y"}"#),
        ("a//b", "[1,"),
        ("k", ""),
    ] {
        let path = format!("/kv?key={key}");
        let put = || {
            server
                .put(&format!("{path}&ttl=90s"), value)
                .header("Content-Type", "application/json; charset=utf-8")
        };
        let refused = put().send().await.unwrap();
        assert_eq!(refused.status(), 422);
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(refused["code"], "invalid_input");
        assert_eq!(server.get(&path).send().await.unwrap().status(), 404);

        let put = || put().header("Accept", "application/octet-stream");
        let created = put().header("If-None-Match", "*").send().await.unwrap();
        assert_eq!(created.status(), 201);
        assert_eq!(created.headers()["content-type"], "application/json");
        assert_eq!(
            created.headers()["kverse-expires-at"],
            "2026-01-01T00:01:30.000000Z"
        );
        let version = created.headers()["etag"].clone();
        assert_eq!(created.text().await.unwrap(), r#"{"status":"ok"}"#);
        let failed = put().header("If-None-Match", "*").send().await.unwrap();
        assert_eq!(failed.status(), 412);
        let replaced = put().header("If-Match", version).send().await.unwrap();
        assert_eq!(replaced.status(), 200);

        let found = server
            .get(&path)
            .header("Accept", "application/octet-stream");
        let found = found.send().await.unwrap();
        assert_eq!(
            found.headers()["content-type"],
            "application/json; charset=utf-8"
        );
        assert_eq!(found.text().await.unwrap(), value);
    }
    assert_eq!(server.items().await, 3);
}

#[tokio::test]
async fn time_to_live() {
    let server = Server::start();
    let put = async |query: &str| {
        let response = server
            .put(&format!("/kv/k{query}"), "v")
            .send()
            .await
            .unwrap();
        assert!(response.status().is_success());
        let expires_at = response.headers().get("kverse-expires-at").cloned();
        expires_at.map(|at| at.to_str().unwrap().to_owned())
    };
    let at = |time: &str| Some(format!("2026-01-01T{time}.000000Z"));
    assert_eq!(put("?ttl=90").await, at("00:01:30"));
    assert_eq!(put("?ttl=1h30m").await, at("01:30:00"));
    assert_eq!(put("?ttl=keep").await, at("01:30:00"));
    assert_eq!(put("?ttl=none").await, None);
    assert_eq!(put("?ttl=90s").await, at("00:01:30"));
    server.clock.advance(Duration::from_secs(89));
    assert_eq!(server.get("/kv/k").send().await.unwrap().status(), 200);
    server.clock.advance(Duration::from_secs(1));
    assert_eq!(server.get("/kv/k").send().await.unwrap().status(), 404);
    assert_eq!(put("").await, None);
}

#[tokio::test]
async fn a_value_of_exactly_the_limit_is_stored() {
    let server = Server::with_options(&["--max-value-bytes", "100000"]);
    let value = "x".repeat(100_000);
    let put = server.put("/kv/sized", value.clone()).send().await.unwrap();
    assert_eq!(put.status(), 201);
    let chunks = value
        .as_bytes()
        .chunks(7_001)
        .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()));
    let chunks: Vec<_> = chunks.collect();
    let put = server.put("/kv/chunked", Body::wrap_stream(stream::iter(chunks)));
    assert_eq!(put.send().await.unwrap().status(), 201);
    for path in ["/kv/sized", "/kv/chunked"] {
        let found = server.get(path).send().await.unwrap();
        assert!(found.text().await.unwrap() == value, "{path}");
    }
}

#[tokio::test]
async fn encoded_bodies_are_not_mistaken_for_values() {
    let server = Server::start();
    let put = server.put("/kv/k", "v").header("Content-Encoding", "gzip");
    assert_eq!(put.send().await.unwrap().status(), 415);
    let put = server
        .put("/kv/k", "v")
        .header("Content-Range", "bytes 0-0/2");
    assert_eq!(put.send().await.unwrap().status(), 400);
    assert_eq!(server.items().await, 0);
}
