//! Watching, against a real server.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/server.rs"]
mod server;

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use common::cli;
use kverse_core::{ChangesOptions, KvStore, Prefix};
use kverse_store::http::{HttpOptions, HttpStore};
use kverse_store::testing::TcpProxy;
use server::TestServer;
use tokio::runtime::Runtime;

fn memory_server() -> TestServer {
    TestServer::start(&["--database-url", "memory:"])
}

/// The present position.
fn position(url: &str) -> String {
    let store = HttpStore::new(url.parse().unwrap(), HttpOptions::default()).unwrap();
    let options = ChangesOptions::new(Prefix::default());
    let page = Runtime::new().unwrap().block_on(store.changes(options));
    page.unwrap().position.to_string()
}

/// A run that does not end by itself.
struct Watching {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Watching {
    fn start(url: &str, args: &[&str]) -> Self {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kverse-cli"));
        command.args(["--store", url, "watch"]).args(args);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            stderr: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
        }
    }

    fn line(&mut self) -> String {
        self.stdout.next().unwrap().unwrap()
    }

    fn complaint(&mut self) -> String {
        self.stderr.next().unwrap().unwrap()
    }

    /// Presses Ctrl-C; the exit code.
    fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap().code()
    }
}

#[test]
fn events_come_as_lines_and_as_json() {
    let server = memory_server();
    let since = position(&server.url);
    let put = ["put", "a/1", "x", "-o", "json"];
    let version = cli(&server.url, &put).json()["version"].clone();
    let version = version.as_str().unwrap();
    cli(&server.url, &["put", "b", "not asked for"]).text();
    cli(&server.url, &["delete", "a/1"]).text();
    cli(&server.url, &["put", "a/2", "y", "--ttl", "1ms"]).text();

    let watch = ["watch", "a/", "--since", &since, "--count", "4"];
    let text = cli(&server.url, &watch).text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], format!("put {version} a/1"));
    for (line, (event, key)) in
        lines[1..]
            .iter()
            .zip([("delete", "a/1"), ("put", "a/2"), ("expire", "a/2")])
    {
        assert!(line.starts_with(event) && line.ends_with(key), "{line}");
    }
    let json = ["-o", "json", "--include-value"];
    let json = cli(&server.url, &[&watch[..], &json].concat()).text();
    let lines: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        (&lines[0]["event"], &lines[0]["version"]),
        (&"put".into(), &version.into())
    );
    // It is not what the key has now.
    assert!(lines[0].get("value").is_none());
    // Each position is one to go on from.
    let after = lines[1]["position"].as_str().unwrap();
    let rest = cli(
        &server.url,
        &["watch", "a/", "--since", after, "--count", "2"],
    )
    .text();
    assert_eq!(rest.lines().count(), 2);
}

#[test]
fn a_command_is_run_for_each_event_in_order() {
    let server = memory_server();
    let since = position(&server.url);
    for (key, value) in [("a", "1"), ("b", "2\n3"), ("c", "4")] {
        cli(&server.url, &["put", key, value]).text();
    }
    cli(&server.url, &["delete", "c"]).text();
    let script = "printf '%s %s [%s] ' \"$KVERSE_EVENT\" \"$KVERSE_KEY\" \"$(cat)\"; \
        test ${#KVERSE_POSITION} = 38 && test ${#KVERSE_VERSION} = 16";
    let watch = [
        "watch",
        "--since",
        &since,
        "--count",
        "4",
        "--include-value",
    ];
    let run = cli(
        &server.url,
        &[&watch[..], &["--", "sh", "-c", script]].concat(),
    );
    assert_eq!(run.text(), "put a [1] put b [2\n3] put c [] delete c [] ");
}

#[test]
fn a_command_that_fails_is_told_or_ends_it() {
    let server = memory_server();
    let since = position(&server.url);
    for key in ["a", "b"] {
        cli(&server.url, &["put", key, "x"]).text();
    }
    let watch = ["watch", "--since", &since, "--count", "2"];
    let fails = ["--", "sh", "-c", "test \"$KVERSE_KEY\" != a"];
    let run = cli(&server.url, &[&watch[..], &fails].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stderr
            .contains("sh ended with exit status: 1 at the put of \"a\""),
        "{run:?}"
    );
    assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    let ends = cli(
        &server.url,
        &[&watch[..], &["--exit-on-error"], &fails].concat(),
    );
    ends.failed(1, "at the put of \"a\"");
    let missing = ["--", "/does/not/exist"];
    cli(&server.url, &[&watch[..], &missing].concat()).failed(1, "cannot run /does/not/exist");
}

#[test]
fn a_broken_connection_loses_nothing() {
    let server = memory_server();
    let runtime = Runtime::new().unwrap();
    let address = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let proxy = runtime.block_on(TcpProxy::start(address));
    let since = position(&server.url);
    let url = format!("http://{}", proxy.address());
    let mut watching = Watching::start(&url, &["--since", &since]);
    cli(&server.url, &["put", "a", "x"]).text();
    assert!(watching.line().ends_with(" a"));
    proxy.refuse();
    let complaint = watching.complaint();
    assert!(complaint.contains("trying again"), "{complaint}");
    cli(&server.url, &["put", "b", "x"]).text();
    proxy.mend();
    assert!(watching.line().ends_with(" b"));
    assert!(watching.complaint().contains("going on"));
    assert_eq!(watching.interrupt(), Some(0));
}

#[test]
fn ctrl_c_is_a_normal_end() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("mark");
    let server = memory_server();
    let since = position(&server.url);
    cli(&server.url, &["put", "a", "x"]).text();
    let script = format!("touch {}; sleep 1", mark.display());
    let watch = ["--since", &since, "--", "sh", "-c", &script];
    let watching = Watching::start(&server.url, &watch);
    while !mark.exists() {
        std::thread::yield_now();
    }
    // In the middle of a command.
    assert_eq!(watching.interrupt(), Some(0));
}

#[test]
fn what_cannot_be_watched_says_why() {
    let server = memory_server();
    let elsewhere = position(&memory_server().url);
    let run = cli(&server.url, &["watch", "--since", &elsewhere]);
    run.failed(1, "`watch` without --since goes on");
    cli(&server.url, &["watch", "--since", "soon"]).failed(2, "position");
    cli(&server.url, &["watch", "--include-value"]).failed(2, "needs -o json or a command");
    cli(&server.url, &["watch", "--exit-on-error"]).failed(2, "COMMAND");
    cli("http://127.0.0.1:1", &["watch"]).failed(6, "cannot connect");
}
