//! `/metrics` and request ids.

use reqwest::Method;

use crate::common::Server;

#[tokio::test]
async fn requests_are_counted_by_route_and_not_by_path() {
    let server = Server::start();
    server.put("/kv/secret-key", "v").send().await.unwrap();
    server.get("/kv/secret-key").send().await.unwrap();
    server.get("/kv/other-key").send().await.unwrap();
    server.get("/no/such/path").send().await.unwrap();
    server.get("/no-such-file.svg").send().await.unwrap();
    server.get("/assets/secret-key.js").send().await.unwrap();
    server.get("/store?key=secret-key").send().await.unwrap();
    let brew = Method::from_bytes(b"BREW").unwrap();
    server.request(brew, "/kv").send().await.unwrap();

    let response = server.get("/metrics").send().await.unwrap();
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert!(content_type.starts_with("text/plain; version=0.0.4"));
    let text = response.text().await.unwrap();
    for expected in [
        r#"kverse_http_requests_total{method="PUT",route="/kv/{key}",status="201"} 1"#,
        r#"kverse_http_requests_total{method="GET",route="/kv/{key}",status="200"} 1"#,
        r#"kverse_http_requests_total{method="GET",route="/kv/{key}",status="404"} 1"#,
        r#"kverse_http_requests_total{method="GET",route="unmatched",status="404"} 2"#,
        r#"kverse_http_requests_total{method="GET",route="/assets/{file}",status="404"} 1"#,
        r#"kverse_http_requests_total{method="GET",route="/store",status="200"} 1"#,
        r#"kverse_http_requests_total{method="other",route="/kv",status="405"} 1"#,
        r#"kverse_http_request_duration_seconds_count{method="GET",route="/kv/{key}"} 2"#,
        "kverse_http_requests_in_flight 1",
        // What has not happened is there as well, so that the first time is a change.
        r#"kverse_http_requests_total{method="PUT",route="/kv/{key}",status="503"} 0"#,
        "kverse_http_connections_limit ",
        "kverse_watchers_limit 10000",
        "kverse_watch_lag_seconds 0\n",
        "kverse_watch_lost_total 0",
    ] {
        assert!(text.contains(expected), "{expected} is missing in:\n{text}");
    }
    assert!(!text.contains("secret-key"));
}

#[tokio::test]
async fn a_request_keeps_its_id() {
    let server = Server::start();
    let get = |id: &str| server.get("/livez").header("X-Request-Id", id).send();
    assert_eq!(
        get("a-1/b").await.unwrap().headers()["x-request-id"],
        "a-1/b"
    );
    for bad in ["", "a b", &"x".repeat(129)] {
        let answer = get(bad).await.unwrap();
        assert!(!answer.headers().contains_key("x-request-id"), "{bad:?}");
    }
}
