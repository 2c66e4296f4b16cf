//! The load generator on real stores. What its numbers mean is tested beside it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/server.rs"]
mod server;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::cli;
use server::TestServer;

fn memory_server() -> TestServer {
    TestServer::start(&["--database-url", "memory:"])
}

#[test]
fn it_counts_measures_and_cleans_up() {
    let server = memory_server();
    cli(&server.url, &["put", "other", "value"]).text();
    let bench = [
        "bench",
        "--requests",
        "500",
        "--clients",
        "8",
        "--mix",
        "get=2,put=1,delete=1",
        "-o",
        "json",
    ];
    let report = cli(&server.url, &bench).json();
    assert_eq!(report["mode"], "closed");
    assert_eq!(report["requests"], 500);
    assert_eq!(report["errors"], serde_json::json!({}));
    let mut sum = 0;
    for operation in ["get", "put", "delete"] {
        let measured = &report["operations"][operation];
        sum += measured["requests"].as_u64().unwrap();
        let latency = |name: &str| measured["latency_ms"][name].as_f64().unwrap();
        let ascending = ["p50", "p90", "p99", "p99_9", "max"].map(latency);
        assert!(ascending.is_sorted() && ascending[0] > 0.0, "{measured}");
    }
    assert_eq!(sum, 500);
    assert_eq!(cli(&server.url, &["list"]).text(), "other\n");
}

#[test]
fn it_works_on_every_kind_of_store() {
    let directory = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", directory.path().join("kverse.db").display());
    for url in ["memory:", &file] {
        let bench = [
            "bench",
            "--rate",
            "500",
            "--requests",
            "200",
            "--keys",
            "700",
            "--value-bytes",
            "0",
        ];
        let text = cli(url, &bench).text();
        assert!(
            text.starts_with("16 clients, 500 requests/s due (open loop)"),
            "{text}"
        );
        assert!(text.contains("\n200 requests in 0.4 s: "), "{text}");
    }
    assert_eq!(cli(&file, &["list"]).text(), "");
}

#[test]
fn it_does_not_write_where_something_is() {
    let server = memory_server();
    cli(&server.url, &["put", "mine/0000003", "value"]).text();
    cli(&server.url, &["put", "mine/other", "value"]).text();
    let bench = |args: &[&str]| {
        let bench = ["bench", "--requests", "10", "--prefix", "mine/"];
        cli(&server.url, &[&bench, args].concat())
    };
    bench(&[]).failed(
        4,
        "there are keys that begin with \"mine/\", such as \"mine/0000003\"",
    );
    assert_eq!(
        cli(&server.url, &["list"]).text(),
        "mine/0000003\nmine/other\n"
    );
    bench(&["--force"]).text();
    assert_eq!(cli(&server.url, &["list"]).text(), "mine/other\n");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let bench = |args: &[&str]| cli("memory:", &[&["bench"], args].concat());
    bench(&["--clients", "0"]).failed(2, "0 is not in 1..=10000");
    bench(&["--rate", "0"]).failed(2, "--rate");
    bench(&["--mix", "fly=1"]).failed(2, "`fly` is not one of get, put and delete");
    bench(&["--duration", "2days"]).failed(2, "at most a day");
    bench(&["--duration", "1s", "--requests", "1"]).failed(2, "cannot be used with");
    bench(&["--value-bytes", "1048577"])
        .failed(7, "the value has 1048577 bytes, the limit is 1048576");
    bench(&["--prefix", &"p".repeat(1020)]).failed(7, "the key has 1027 bytes");
}

#[test]
fn an_interrupt_ends_it_early_and_leaves_nothing() {
    let server = memory_server();
    for signal in ["INT", "TERM"] {
        let bench = Command::new(assert_cmd::cargo::cargo_bin!("kverse-cli"))
            .args([
                "--store",
                &server.url,
                "bench",
                "--duration",
                "10m",
                "-o",
                "json",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // All keys are there, so that it measures.
        let deadline = Instant::now() + Duration::from_secs(30);
        while cli(&server.url, &["list", "kverse-bench/0000999"])
            .text()
            .is_empty()
        {
            assert!(Instant::now() < deadline, "it does not begin");
        }
        let kill = Command::new("kill")
            .args(["-s", signal, &bench.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        let output = bench.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(report["seconds"].as_f64().unwrap() < 60.0, "{report}");
        assert_eq!(cli(&server.url, &["list"]).text(), "", "{signal}");
    }
}
