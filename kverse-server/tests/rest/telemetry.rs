//! Logs and traces of the program.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use crate::binary::Process;
use crate::common::client;

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The records that a server logged with this message.
fn records(log: &str, message: &str) -> Vec<Value> {
    let records = log.lines().map(|line| serde_json::from_str(line).unwrap());
    records
        .filter(|record: &Value| record["message"] == message)
        .collect()
}

#[tokio::test]
async fn a_request_is_logged_with_its_id_and_route_but_never_its_key() {
    let server = Process::start(&["--log", "debug"]);
    let get = client().get(format!("{}/kv/secret-key", server.url()));
    let answer = get.header("X-Request-Id", "request-7").send().await;
    assert_eq!(answer.unwrap().status(), 404);
    let log = server.stop();
    let answered = records(&log, "answered");
    let spans: Vec<_> = answered.iter().map(|record| &record["span"]).collect();
    let span = spans
        .iter()
        .find(|span| span["request_id"] == "request-7")
        .unwrap_or_else(|| panic!("no record of the request: {log}"));
    assert_eq!(span["http.route"], "/kv/{key}");
    assert_eq!(span["http.request.method"], "GET");
    assert_eq!(span["http.response.status_code"], 404);
    assert!(!log.contains("secret-key"), "{log}");
}

#[tokio::test]
async fn metrics_have_a_listener_of_their_own_if_wanted() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let server = Process::start(&["--metrics-listen", &address]);
    let get = |path: &str| client().get(format!("http://{address}{path}")).send();
    let metrics = get("/metrics").await.unwrap();
    assert_eq!(metrics.status(), 200);
    assert!(metrics.text().await.unwrap().contains("kverse_build_info"));
    for path in ["/kv/k", "/kv?key=k", "/stats", "/"] {
        assert_eq!(get(path).await.unwrap().status(), 404, "{path}");
    }
    server.stop();
}

#[cfg(feature = "otlp")]
#[tokio::test]
async fn traces_go_to_the_collector_as_parts_of_the_callers_trace() {
    use actix_web::{App, HttpServer, web};

    let (sent, mut received) = tokio::sync::mpsc::unbounded_channel::<web::Bytes>();
    let collector = HttpServer::new(move || {
        let sent = sent.clone();
        let take = move |body: web::Bytes| {
            sent.send(body).unwrap();
            std::future::ready("")
        };
        App::new().route("/v1/traces", web::post().to(take))
    })
    .workers(1)
    .disable_signals()
    .bind("127.0.0.1:0")
    .unwrap();
    let endpoint = format!("http://{}", collector.addrs()[0]);
    let collector = collector.run();
    let handle = collector.handle();
    tokio::spawn(collector);

    // Of the traces that begin at the server none is wanted, so that only the caller's comes.
    let server = Process::start(&["--otlp-endpoint", &endpoint, "--trace-ratio", "0"]);
    let get = |traceparent: Option<&str>| {
        let get = client().get(format!("{}/kv/secret-key", server.url()));
        traceparent.into_iter().fold(get, |get, traceparent| {
            get.header("traceparent", traceparent)
        })
    };
    get(None).send().await.unwrap();
    get(Some(TRACEPARENT)).send().await.unwrap();
    // Stopping sends what there is.
    tokio::task::spawn_blocking(move || server.stop())
        .await
        .unwrap();

    let body = tokio::time::timeout(Duration::from_secs(30), received.recv()).await;
    let body = body.unwrap().unwrap();
    let contains = |part: &[u8]| body.windows(part.len()).any(|window| window == part);
    assert!(contains(
        &0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes()
    ));
    for part in ["kverse-server", "GET /kv/{key}", "http.route"] {
        assert!(contains(part.as_bytes()), "{part}");
    }
    assert!(!contains(b"secret-key"));
    assert_eq!(
        body.windows(13).filter(|w| w == b"GET /kv/{key}").count(),
        1
    );
    handle.stop(false).await;
}
