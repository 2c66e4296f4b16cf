//! Export and import.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/server.rs"]
mod server;

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Run, cli, command};
use kverse_core::{Cursor, Prefix};
use kverse_store::testing::TcpProxy;
use serde_json::{Value, json};
use server::TestServer;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);

/// A directory, and the URL of a database in it.
fn database() -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let url = sqlite(&directory);
    (directory, url)
}

fn sqlite(directory: &TempDir) -> String {
    format!("sqlite:{}", directory.path().join("kverse.db").display())
}

/// Lines of this many entries.
fn lines(count: usize) -> String {
    let line = |number| format!("{{\"key\":\"{number:06}\",\"value\":\"v\"}}\n");
    (1..=count).map(line).collect()
}

/// Imports these lines from standard input.
fn import(store: &str, args: &[&str], lines: impl Into<Vec<u8>>) -> Run {
    let args = [&["import"], args].concat();
    Run::of(command(store, &args).write_stdin(lines))
}

/// The lines without their versions, which are new in each store.
fn entries(lines: &[u8]) -> Vec<Value> {
    let parse = |line: &[u8]| {
        let mut entry: Value = serde_json::from_slice(line).unwrap();
        assert!(entry.as_object_mut().unwrap().remove("version").is_some());
        entry
    };
    lines
        .trim_ascii_end()
        .split(|byte| *byte == b'\n')
        .map(parse)
        .collect()
}

/// Asserts that the run ended well, with this at the beginning of its message.
#[track_caller]
fn done(run: Run, message: &str) -> Vec<u8> {
    assert_eq!(run.code, Some(0), "{run:?}");
    let expected = format!("kverse-cli: {message}");
    assert!(run.stderr.starts_with(&expected), "{run:?}");
    assert_eq!(run.stderr.matches('\n').count(), 1, "{run:?}");
    run.stdout
}

#[test]
fn from_a_file_to_a_server_and_back() {
    let server = TestServer::start(&["--database-url", "memory:"]);
    let (_directory, url) = database();
    let bytes: Vec<u8> = (0..=255).collect();
    let put = [
        "put",
        "bytes",
        "--content-type",
        "image/png",
        "--ttl",
        "1000h",
    ];
    Run::of(command(&url, &put).write_stdin(bytes.clone())).text();
    cli(&url, &["put", "text", "é\n\"x\""]).text();

    let exported = done(cli(&url, &["export"]), "exported 2 entries, ");
    let of_prefix = done(cli(&url, &["export", "t"]), "exported 1 entry, ");
    assert_eq!(entries(&of_prefix), &entries(&exported)[1..]);
    assert_eq!(
        entries(&of_prefix),
        [json!({"key": "text", "value": "é\n\"x\""})]
    );

    let report = import(&server.url, &["-o", "json"], exported.clone());
    let report: Value = serde_json::from_slice(&done(report, "imported 2 entries, ")).unwrap();
    assert_eq!(report, json!({"imported": 2, "skipped": 0, "expired": 0}));
    assert_eq!(cli(&server.url, &["get", "bytes"]).stdout, bytes);
    let back = done(cli(&server.url, &["export"]), "exported 2 entries, ");
    assert_eq!(entries(&back), entries(&exported));
    assert_eq!(entries(&back)[0]["content_type"], "image/png");
    assert!(entries(&back)[0]["expires_at"].is_string());

    // The server's own route gives and takes the same.
    let (_other_directory, other) = database();
    let listed = cli(&server.url, &["list", "-o", "json", "--values"]).text();
    done(import(&other, &["-"], listed), "imported 2 entries, ");
    let copy = done(cli(&other, &["export"]), "exported 2 entries, ");
    assert_eq!(entries(&copy), entries(&exported));
}

#[test]
fn nothing_is_a_whole_export() {
    assert!(done(cli("memory:", &["export"]), "exported 0 entries, ").is_empty());
    done(import("memory:", &[], ""), "imported 0 entries, ");
}

#[test]
fn a_file_is_written_whole_and_read_back() {
    let (directory, url) = database();
    let path = |name: &str| directory.path().join(name).display().to_string();
    done(import(&url, &[], lines(3)), "imported 3 entries, ");
    let file = path("all.ndjson");
    fs::write(&file, "what was there before").unwrap();
    symlink(&file, path("link")).unwrap();
    let export = ["export", "--to", &path("link"), "-o", "json"];
    let exported = cli(&url, &export).json();
    let size = fs::metadata(&file).unwrap().len();
    assert_eq!(exported, json!({"exported": 3, "bytes": size}));
    assert!(fs::symlink_metadata(path("link")).unwrap().is_symlink());
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o400, 0o400);
    assert_eq!(entries(&fs::read(&file).unwrap()).len(), 3);
    assert_eq!(parts(directory.path()), 0);

    let (_other_directory, other) = database();
    let run = cli(&other, &["import", &file]);
    done(run, "imported 3 entries, ");
    assert_eq!(cli(&other, &["stats", "-o", "json"]).json()["items"], 3);

    cli(&url, &["export", "--to", "/dev/null"]).failed(2, "/dev/null is not a regular file");
    cli(&url, &["export", "--to", "/"]).failed(2, "not a regular file");
    cli(&url, &["export", "--to", "/does/not/exist"]).failed(1, "cannot write /does/not/exist");
    cli(&url, &["import", "/does/not/exist"]).failed(1, "cannot read /does/not/exist");
    let run = cli(&url, &["import", "/"]);
    assert!(run.stderr.contains("cannot read /: "), "{run:?}");
    assert_eq!(run.code, Some(1));
}

/// How many temporary files are there.
fn parts(directory: &Path) -> usize {
    let names = fs::read_dir(directory).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().ends_with(".part"))
        .count()
}

#[test]
fn keys_that_exist() {
    let (_directory, url) = database();
    cli(&url, &["put", "000002", "old"]).text();
    let run = import(&url, &["--on-conflict", "fail"], lines(3));
    run.failed(4, "line 2: the key \"000002\" exists; imported 1 entry, ");
    let run = import(&url, &["--on-conflict", "skip"], lines(3));
    let message = done(run, "imported 1 entry, ");
    assert!(message.is_empty());
    assert_eq!(cli(&url, &["get", "000002"]).text(), "old");
    done(import(&url, &[], lines(3)), "imported 3 entries, ");
    assert_eq!(cli(&url, &["get", "000002"]).text(), "v");
    import(&url, &["--on-conflict", "merge"], "").failed(2, "overwrite, skip, fail");
}

#[test]
fn a_broken_line_ends_the_import_there() {
    let (_directory, url) = database();
    let server = TestServer::start(&["--database-url", "memory:"]);
    for store in [&url, &server.url] {
        let text = [&lines(2), "{\"key\":\"x\",\"val\n", &lines(5)].concat();
        let run = import(store, &[], text.as_str());
        run.failed(2, "line 3: not JSON: control character");
        assert_eq!(cli(store, &["stats", "-o", "json"]).json()["items"], 2);

        let run = import(store, &["-o", "json"], text);
        assert_eq!(run.code, Some(2));
        let report: Value = serde_json::from_slice(&run.stdout).unwrap();
        assert_eq!(
            (&report["imported"], &report["error"]["line"]),
            (&json!(2), &json!(3))
        );

        let value = "x".repeat((1 << 20) + 1);
        let run = import(
            store,
            &[],
            format!("{{\"key\":\"x\",\"value\":\"{value}\"}}"),
        );
        run.failed(
            7,
            "line 1: the value has 1048577 bytes, the limit is 1048576",
        );
        let expired = "{\"key\":\"x\",\"value\":\"\",\"expires_at\":\"2001-01-01T00:00:00Z\"}";
        let run = import(store, &[], expired);
        assert!(
            run.stderr.contains("left out 1 that had expired"),
            "{run:?}"
        );
        assert_eq!(run.code, Some(0));
    }
}

#[test]
fn a_reader_that_has_enough_is_a_normal_end() {
    let (_directory, url) = database();
    done(import(&url, &[], lines(20_000)), "imported 20000 entries, ");
    let mut child = spawn(&url, &["export"]);
    let mut start = [0; 10];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut start)
        .unwrap();
    drop(child.stdout.take());
    let run = wait(child);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
}

/// Starts the binary; its standard streams are pipes.
fn spawn(store: &str, args: &[&str]) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin!("kverse-cli"))
        .args(["--store", store])
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait(child: Child) -> Run {
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
}

fn items(store: &str) -> u64 {
    cli(store, &["stats", "-o", "json"]).json()["items"]
        .as_u64()
        .unwrap()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
    }
}

#[test]
fn an_interrupted_import_says_how_far_it_got() {
    let server = TestServer::start(&["--database-url", "memory:"]);
    let mut child = spawn(&server.url, &["import", "-o", "json"]);
    // It is kept open: more may come.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines(1500).as_bytes()).unwrap();
    until("a batch is stored", || items(&server.url) == 1000);
    interrupt(&child);
    let run = wait(child);
    assert_eq!(run.code, Some(130), "{run:?}");
    assert!(
        run.stderr
            .starts_with("kverse-cli: interrupted; imported 1000 entries, "),
        "{run:?}"
    );
    assert!(
        run.stderr.contains("and up to 500 more may be stored"),
        "{run:?}"
    );
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["imported"], 1000);
    drop(stdin);
    let run = import(&server.url, &["--on-conflict", "skip"], lines(1500));
    assert!(run.stderr.contains("imported 500 entries, "), "{run:?}");
    assert!(
        run.stderr.contains("skipped 1000 whose key existed"),
        "{run:?}"
    );
}

/// A proxy in front of the server, at the URL that comes with it.
async fn proxy(server: &TestServer) -> (TcpProxy, String) {
    let address: SocketAddr = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let proxy = TcpProxy::start(address).await;
    let url = format!("http://{}", proxy.address());
    (proxy, url)
}

/// Runs the binary while the server goes away for good when it is sent these bytes.
async fn until_the_server_goes(proxy: &TcpProxy, at: &str, mut child: Child, stdin: String) -> Run {
    proxy.hold_before(at);
    let mut input = child.stdin.take().unwrap();
    // The pipe may break when the binary ends.
    let writer = std::thread::spawn(move || input.write_all(stdin.as_bytes()));
    let run = tokio::task::spawn_blocking(|| wait(child));
    let deadline = Instant::now() + DEADLINE;
    while !proxy.has_triggered() {
        assert!(
            Instant::now() < deadline && !run.is_finished(),
            "{at} is not sent"
        );
        tokio::task::yield_now().await;
    }
    proxy.refuse();
    let _ = writer.join().unwrap();
    run.await.unwrap()
}

/// What the request for the third page of an export has in it.
fn third_page() -> String {
    let last = "002000".parse().unwrap();
    format!("cursor={}", Cursor::new(&Prefix::default(), None, last))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_whose_server_goes_away_is_no_export() {
    let server = TestServer::start(&["--database-url", "memory:"]);
    done(
        import(&server.url, &[], lines(3500)),
        "imported 3500 entries, ",
    );
    let (proxy, url) = proxy(&server).await;
    let child = spawn(&url, &["export"]);
    let run = until_the_server_goes(&proxy, &third_page(), child, String::new()).await;
    assert_eq!(run.code, Some(6), "{run:?}");
    let message = "exported 2000 entries, ";
    assert!(run.stderr.contains(message), "{}", run.stderr);
    assert!(
        run.stderr.contains("what was exported is not complete"),
        "{}",
        run.stderr
    );

    // A file keeps what it had.
    proxy.mend();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("all.ndjson");
    fs::write(&file, "before").unwrap();
    let child = spawn(&url, &["export", "--to", file.to_str().unwrap()]);
    let run = until_the_server_goes(&proxy, &third_page(), child, String::new()).await;
    assert_eq!(run.code, Some(6), "{run:?}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "before");
    assert_eq!(parts(directory.path()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_whose_server_goes_away_says_how_far_it_got_and_can_be_repeated() {
    let server = TestServer::start(&["--database-url", "memory:"]);
    let (proxy, url) = proxy(&server).await;
    let child = spawn(&url, &["import", "-o", "json"]);
    let run = until_the_server_goes(&proxy, "\"002001\"", child, lines(3500)).await;
    assert_eq!(run.code, Some(6), "{run:?}");
    assert!(run.stderr.contains("imported 2000 entries, "), "{run:?}");
    assert!(
        run.stderr.contains("and up to 1000 more may be stored"),
        "{run:?}"
    );
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["imported"], 2000);
    assert_eq!(report["error"]["line"], 2001);
    assert_eq!(report["error"]["unknown"], 1000);
    proxy.mend();
    let run = import(&url, &["--on-conflict", "skip"], lines(3500));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(items(&url), 3500);

    proxy.refuse();
    import(&url, &[], lines(1)).failed(6, "the connection to the server broke");
    cli(&url, &["export"]).failed(6, "exported 0 entries");
}
