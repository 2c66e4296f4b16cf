//! What a watcher is told.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};

use crate::client::Watch;
use crate::server::Server;

#[tokio::test]
async fn puts_deletes_and_ends_come_in_order() {
    let server = Server::start(&[]);
    let mut watch = server.watch("?prefix=a/").await;
    let first = server.put("a/1", "x").await;
    server.put("b", "not asked for").await;
    server.delete("a/1").await;
    let expiring = server.put("a/2?ttl=10s", "y").await;
    assert_eq!(watch.event().await.change(), ("put", "a/1", first));
    let deleted = watch.event().await;
    let (event, key, version) = deleted.change();
    assert_eq!((event, key), ("delete", "a/1"));
    assert!(version > first);
    assert_eq!(watch.event().await.change(), ("put", "a/2", expiring));
    server.clock.advance(Duration::from_secs(10));
    let expired = watch.event().await;
    let (event, key, version) = expired.change();
    assert_eq!((event, key), ("expire", "a/2"));
    assert!(version > expiring);
}

#[tokio::test]
async fn batches_and_transactions_are_told_whole() {
    let server = Server::start(&[]);
    let mut watch = server.watch("").await;
    for route in ["/batch", "/transaction"] {
        let operations = serde_json::json!({"operations": [
            {"op": "put", "key": "a", "value": "1"}, {"op": "put", "key": "b", "value": "2"},
            {"op": "delete", "key": "a"},
        ]});
        let request = server.request(Method::POST, route).json(&operations);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
        let mut told = Vec::new();
        for _ in 0..3 {
            let event = watch.event().await;
            let (event, key, _) = event.change();
            told.push(format!("{event} {key}"));
        }
        assert_eq!(told, ["put a", "put b", "delete a"]);
    }
}

#[tokio::test]
async fn the_answer_must_not_be_kept_or_held_back() {
    let server = Server::start(&[]);
    let answer = Watch::answer(server.get("/watch")).await;
    let headers = answer.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["x-accel-buffering"], "no");
    let head = server.request(Method::HEAD, "/watch").send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-type"], "text/event-stream");
    assert_eq!(head.bytes().await.unwrap(), "");
}

#[tokio::test]
async fn values_come_along_while_they_are_current() {
    let server = Server::start(&[]);
    let mut watch = server.watch("?include=value").await;
    let version = server.put("k", "v").await;
    let put = watch.event().await;
    assert_eq!(put.change(), ("put", "k", version));
    let data = put.data.unwrap();
    assert_eq!(data["value"], "v");
    assert_eq!(data["size"], 1);
    // Seen later, the first of two versions has no value any more.
    let since = watch.position;
    let first = server.put("k", "old").await;
    let second = server.put("k", "new").await;
    let mut late = server.watch(&format!("?include=value&since={since}")).await;
    let put = late.event().await;
    assert_eq!(put.change(), ("put", "k", first));
    assert!(put.data.unwrap().get("value").is_none());
    let put = late.event().await;
    assert_eq!(put.change(), ("put", "k", second));
    assert_eq!(put.data.unwrap()["value"], "new");
}

#[tokio::test]
async fn silence_is_broken_and_the_position_moves_on() {
    let server = Server::start(&["--watch-heartbeat", "1s"]);
    let mut watch = server.watch("?prefix=quiet/").await;
    let before = watch.position.clone();
    server.put("noise", "x").await;
    let started = Instant::now();
    // The second comes after the position that the first may not have seen yet.
    for _ in 0..2 {
        let heartbeat = watch.block().await.unwrap();
        assert!(
            heartbeat.is_comment && heartbeat.data.is_none(),
            "{heartbeat:?}"
        );
        assert!(heartbeat.id.is_some(), "{heartbeat:?}");
    }
    assert!(started.elapsed() > Duration::from_millis(1500));
    assert_ne!(watch.position, before);
    // Nothing is lost by resuming there.
    let version = server.put("quiet/k", "x").await;
    let mut resumed = server
        .watch(&format!("?prefix=quiet/&since={}", watch.position))
        .await;
    assert_eq!(resumed.event().await.change(), ("put", "quiet/k", version));
}

#[tokio::test]
async fn what_this_server_writes_is_told_at_once() {
    const WRITES: u32 = 50;
    let server = Server::start(&[]);
    let mut watch = server.watch("").await;
    let mut latencies = Vec::new();
    for _ in 0..WRITES {
        let started = Instant::now();
        server.put("k", "x").await;
        watch.event().await;
        latencies.push(started.elapsed());
    }
    latencies.sort();
    let median = latencies[latencies.len() / 2];
    println!(
        "from a write to its event, same server: median {median:?}, most {:?}",
        latencies.last()
    );
    // It does not wait to be found, which takes up to 100 ms.
    assert!(median < Duration::from_millis(60), "{latencies:?}");
}

#[tokio::test]
async fn more_watchers_than_allowed_are_turned_away_and_places_are_given_back() {
    let server = Server::start(&["--max-watchers", "2", "--watch-heartbeat", "1s"]);
    let first = server.watch("").await;
    let _second = server.watch("").await;
    assert_eq!(server.metric("kverse_watchers ").await, 2.0);
    let refused = server.get("/watch").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let detail = refused.text().await.unwrap();
    assert!(detail.contains("2 watchers"), "{detail}");
    drop(first);
    server.until("kverse_watchers ", 1.0).await;
    server.watch("").await;
}

#[tokio::test]
async fn a_stopping_server_ends_all_watches_at_once() {
    let server = Server::start(&[]);
    let since = server.watch("").await.position;
    let mut watches = Vec::new();
    for query in ["", "?prefix=a", &format!("?since={since}")] {
        watches.push(server.watch(query).await);
    }
    let started = Instant::now();
    let stopped = server.stop();
    for mut watch in watches {
        let last = watch.event().await;
        assert_eq!(last.code(), "unavailable", "{last:?}");
        watch.ends().await;
    }
    stopped.await.unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let server = Server::start(&[]);
    for (query, accept, expected) in [
        ("?since=soon", "", "position"),
        ("?include=all", "", "include"),
        ("?limit=10", "", "application/json"),
        ("?wait=1s", "", "application/json"),
        ("?prefix=%00", "", "NUL"),
        ("?prefx=a", "", "unknown parameter"),
        ("?limit=many", "application/json", "limit"),
        ("?limit=0", "application/json", "at least 1"),
        ("?wait=2m", "application/json", "60s"),
        ("?include=value", "application/json", "include"),
    ] {
        let mut request = server.get(&format!("/watch{query}"));
        if !accept.is_empty() {
            request = request.header("Accept", accept);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{query}");
        let body = answer.text().await.unwrap();
        assert!(body.contains(expected), "{query}: {body}");
    }
    let post = server.request(Method::POST, "/watch").send().await.unwrap();
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
}
