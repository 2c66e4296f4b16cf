//! `/stats/history`.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

use crate::binary::Process;
use crate::common::{DEADLINE, Server, client};

#[tokio::test]
async fn a_server_that_has_just_started_has_no_history() {
    let server = Server::start();
    let answer = server.get("/stats/history").send().await.unwrap();
    let history: Value = answer.json().await.unwrap();
    let info = server.get("/info").send().await.unwrap();
    let info: Value = info.json().await.unwrap();
    assert_eq!(history["server"], info["server"]);
    assert_eq!(history["interval_ms"], 5000);
    assert_eq!(history["cache"], json!({"mode": "none"}));
    assert_eq!(history["samples"], json!([]));
    assert!(history["now"].as_str().unwrap().ends_with('Z'));
    for bad in ["since=yesterday", "since=", "limit=1"] {
        let answer = server.get(&format!("/stats/history?{bad}")).send().await;
        assert_eq!(answer.unwrap().status(), 422, "{bad}");
    }
}

#[tokio::test]
async fn what_a_server_does_becomes_its_history() {
    let server = Process::start_at("sqlite::memory:", &[]);
    let client = client();
    let get = async |path: &str| client.get(server.url() + path).send().await.unwrap();
    let history = async |query: &str| -> Value {
        get(&format!("/stats/history{query}"))
            .await
            .json()
            .await
            .unwrap()
    };
    let put = client.put(server.url() + "/kv/k").body("v").send().await;
    assert_eq!(put.unwrap().status(), StatusCode::CREATED);

    let deadline = Instant::now() + DEADLINE;
    let mut pause = interval(Duration::from_millis(200));
    let sample = loop {
        get("/kv/k").await;
        get("/kv/missing").await;
        let answer = history("").await;
        assert_eq!(answer["cache"]["mode"], "local");
        if let Some(sample) = answer["samples"].get(0) {
            break sample.clone();
        }
        assert!(Instant::now() < deadline, "no sample: {answer}");
        pause.tick().await;
    };
    let count = |name: &str| sample[name].as_u64().unwrap();
    assert!(count("requests") > count("rejected"), "{sample}");
    assert!(count("rejected") > 0, "{sample}");
    assert_eq!(count("errors"), 0, "{sample}");
    assert!(count("cache_hits") > 0, "{sample}");
    assert_eq!(count("items"), 1, "{sample}");
    assert!(count("connections") > 0, "{sample}");
    let quantile = |name: &str| sample[name].as_f64().unwrap();
    assert!(quantile("p50_ms") > 0.0, "{sample}");
    assert!(quantile("p50_ms") <= quantile("p95_ms"), "{sample}");
    assert!(quantile("p95_ms") <= quantile("p99_ms"), "{sample}");
    let at = sample["at"].as_str().unwrap();
    let later = history(&format!("?since={at}")).await;
    let later = later["samples"].as_array().unwrap();
    assert!(
        later.iter().all(|later| later["at"].as_str() > Some(at)),
        "{later:?}"
    );
}
