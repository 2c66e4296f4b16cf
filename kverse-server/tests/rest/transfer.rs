//! Exports and imports.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use kverse_core::{
    Capabilities, ChangePage, ChangesOptions, ComponentHealth, Error, ErrorKind, Key, KvStore,
    KvStoreExt, MemoryStore, Operation, OperationOutcome, Page, ReadOutcome, Result, ScanEntry,
    ScanOptions, Stats, Version, Write, WriteOutcome,
};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

use crate::binary::Process;
use crate::common::{DEADLINE, Server, read_head, read_to_end};

const LINES: &str = concat!(
    r#"{"key":"a","value":"1","version":"1767225600000000"}"#,
    "\n",
    r#"{"key":"b","value_base64":"/w==","version":"1767225600000000","content_type":"image/png","#,
    r#""expires_at":"2099-01-01T00:00:00.000000Z"}"#,
    "\n",
);

async fn import(server: &Server, query: &str, lines: impl Into<reqwest::Body>) -> Response {
    server
        .request(Method::POST, &format!("/import{query}"))
        .header("Content-Type", "application/x-ndjson")
        .body(lines)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn what_was_imported_is_exported() {
    let server = Server::start();
    let imported = import(&server, "", LINES).await;
    assert_eq!(imported.status(), 200);
    let report: Value = imported.json().await.unwrap();
    assert_eq!(report, json!({"imported": 2, "skipped": 0, "expired": 0}));
    let value = server.get("/kv/b").send().await.unwrap();
    assert_eq!(value.headers()["content-type"], "image/png");
    assert_eq!(value.bytes().await.unwrap(), b"\xff"[..]);

    let exported = server.get("/export").send().await.unwrap();
    assert_eq!(exported.status(), 200);
    let headers = exported.headers();
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["transfer-encoding"], "chunked");
    assert_eq!(exported.text().await.unwrap(), LINES);
    let of_prefix = server.get("/export?prefix=b").send().await.unwrap();
    let lines = of_prefix.text().await.unwrap();
    assert_eq!(lines, LINES.split_inclusive('\n').nth(1).unwrap());
    let nothing = server.get("/export?prefix=c").send().await.unwrap();
    assert_eq!(
        (nothing.status().as_u16(), nothing.text().await.unwrap()),
        (200, String::new())
    );
}

#[tokio::test]
async fn keys_that_exist() {
    let server = Server::start();
    server.put("/kv/b", "old").send().await.unwrap();
    let skipped = import(&server, "?on_conflict=skip", LINES).await;
    let report: Value = skipped.json().await.unwrap();
    assert_eq!(report, json!({"imported": 1, "skipped": 1, "expired": 0}));
    server.delete("/kv/a").send().await.unwrap();

    let failed = import(&server, "?on_conflict=fail", LINES).await;
    assert_eq!(failed.status(), 409);
    let problem: Value = failed.json().await.unwrap();
    assert_eq!(problem["code"], "conflict");
    assert_eq!(problem["detail"], "line 2: the key \"b\" exists");
    assert!(problem["current_version"].is_string());
    let detail = "the key \"b\" exists";
    let error = json!({"line": 2, "code": "conflict", "detail": detail});
    let report = json!({"imported": 1, "skipped": 0, "expired": 0, "error": error});
    assert_eq!(problem["import"], report);
    let old = server.get("/kv/b").send().await.unwrap();
    assert_eq!(old.text().await.unwrap(), "old");

    let overwritten = import(&server, "?on_conflict=overwrite", LINES).await;
    assert_eq!(overwritten.json::<Value>().await.unwrap()["imported"], 2);
}

#[tokio::test]
async fn a_broken_line_is_named_and_what_is_before_it_is_stored() {
    let server = Server::start();
    let lines = format!("{LINES}\n{{\"key\":\"c\",\"val\n{{\"key\":\"d\",\"value\":\"\"}}\n");
    let failed = import(&server, "", lines).await;
    assert_eq!(failed.status(), 422);
    let problem: Value = failed.json().await.unwrap();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.starts_with("line 4: not JSON: "), "{detail}");
    assert_eq!(problem["import"]["imported"], 2);
    assert_eq!(problem["import"]["error"]["line"], 4);
    assert_eq!(server.items().await, 2);

    let value = "v".repeat((1 << 20) + 1);
    let line = format!("{{\"key\":\"c\",\"value\":\"{value}\"}}\n");
    let failed = import(&server, "", line).await;
    assert_eq!(failed.status(), 413);
    let problem: Value = failed.json().await.unwrap();
    assert_eq!(
        (&problem["limit"], &problem["actual"]),
        (&json!(1 << 20), &json!((1 << 20) + 1))
    );
    assert_eq!(problem["import"]["error"]["line"], 1);

    // One whose key is not among those that are meant.
    let failed = import(&server, "?prefix=a", LINES).await;
    assert_eq!(failed.status(), 422);
    let problem: Value = failed.json().await.unwrap();
    let detail = "line 2: the key \"b\" does not begin with \"a\"";
    assert_eq!(problem["detail"], detail);
    assert_eq!(problem["import"]["imported"], 1);

    // A line without end, of which only as much is taken as one may have.
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    let endless = futures_util::stream::iter((0..100).map(move |_| Ok::<_, Error>(piece.clone())));
    let failed = import(&server, "", reqwest::Body::wrap_stream(endless)).await;
    assert_eq!(failed.status(), 413);
}

#[tokio::test]
async fn requests_that_are_refused() {
    let server = Server::start();
    let request = |method: Method, path: &str| server.request(method, path).body(LINES);
    let ndjson = "application/x-ndjson";
    let post = |path: &str| request(Method::POST, path).header("Content-Type", ndjson);
    for (request, status, detail) in [
        (
            request(Method::POST, "/import"),
            415,
            "application/x-ndjson",
        ),
        (
            request(Method::POST, "/import").header("Content-Type", "text/plain"),
            415,
            "application/x-ndjson",
        ),
        (
            post("/import").header("Content-Encoding", "gzip"),
            415,
            "Content-Encoding",
        ),
        (
            post("/import").header("If-None-Match", "*"),
            400,
            "if-none-match",
        ),
        (
            post("/import").header("Content-Range", "bytes 0-1/2"),
            400,
            "Content-Range",
        ),
        (
            post("/import?on_conflict=merge"),
            422,
            "overwrite, skip or fail",
        ),
        (
            post("/import?on_conflict=skip&on_conflict=skip"),
            422,
            "more than once",
        ),
        (post("/import?ttl=1h"), 422, "unknown parameter `ttl`"),
        (request(Method::PUT, "/import"), 405, "POST"),
        (server.get("/import"), 405, "POST"),
        (
            server.get("/export?limit=1"),
            422,
            "unknown parameter `limit`",
        ),
        (
            server.get("/export?prefix=a&prefix=a"),
            422,
            "more than once",
        ),
        (server.get("/export?prefix=%00"), 422, "NUL"),
        (
            server.get(&format!("/export?prefix={}", "p".repeat(1025))),
            413,
            "1024",
        ),
        (request(Method::POST, "/export"), 405, "GET, HEAD"),
    ] {
        let response = request.send().await.unwrap();
        let url = response.url().clone();
        assert_eq!(response.status(), status, "{url}");
        let problem: Value = response.json().await.unwrap();
        let found = problem["detail"].as_str().unwrap();
        assert!(found.contains(detail), "{url}: {found}");
    }
    assert_eq!(server.items().await, 0);
    for accepted in ["application/x-ndjson; charset=utf-8", "application/jsonl"] {
        let request = request(Method::POST, "/import").header("Content-Type", accepted);
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    // In it a broken export would look like a whole one.
    let answer = server
        .exchange("GET /export HTTP/1.0\r\nHost: x\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.0 426 "), "{answer}");
    assert!(answer.contains("upgrade: HTTP/1.1\r\n"), "{answer}");
}

/// Sends the head of an import and this beginning of a body.
async fn begin(server: &Server, head: &str, body: &str) -> TcpStream {
    let mut stream = server.connect().await;
    let head = format!(
        "POST /import HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/x-ndjson\r\n{head}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

fn problem(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn a_body_that_breaks_off_is_stored_up_to_its_last_whole_line() {
    let server = Server::start();
    // The last line looks whole.
    let body = LINES.trim_end();
    let mut stream = begin(&server, "Content-Length: 1000", body).await;
    stream.shutdown().await.unwrap();
    let answer = read_to_end(&mut stream).await;
    // Nobody may be told any more.
    if !answer.is_empty() {
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        let problem = problem(&answer);
        assert_eq!(problem["code"], "incomplete_body");
        assert_eq!(problem["import"]["imported"], 1);
    }
    let deadline = Instant::now() + DEADLINE;
    while server.items().await == 0 && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.items().await, 1);
}

#[tokio::test]
async fn a_sender_that_stops_is_not_waited_for() {
    let server = Server::with_options(&["--body-timeout", "300ms"]);
    let mut stream = begin(&server, "Content-Length: 1000", LINES).await;
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let problem = problem(&answer);
    assert_eq!(problem["code"], "request_timeout");
    assert_eq!(problem["import"]["imported"], 2);
    assert_eq!(server.items().await, 2);
}

#[tokio::test]
async fn a_sender_may_take_longer_in_all_than_it_may_pause() {
    let server = Server::with_options(&["--body-timeout", "2s"]);
    let started = Instant::now();
    let length = format!("Content-Length: {}", LINES.len());
    let mut stream = begin(&server, &length, "").await;
    let pieces = LINES.as_bytes().chunks(LINES.len().div_ceil(5));
    for piece in pieces {
        stream.write_all(piece).await.unwrap();
        // The time that is measured is the server's.
        sleep(Duration::from_millis(600)).await;
    }
    let answer = read_to_end(&mut stream).await;
    assert!(started.elapsed() > Duration::from_secs(2));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(server.items().await, 2);
}

/// A store of entries without end, each of 1 MiB and on a page of its own, that fails after some of them.
#[derive(Debug)]
struct Endless {
    memory: MemoryStore,
    scans: AtomicUsize,
    fails_after: usize,
}

impl Endless {
    const VALUE: Bytes = Bytes::from_static(&[b'v'; 1 << 20]);

    fn failing_after(scans: usize) -> Arc<Self> {
        Arc::new(Self {
            memory: MemoryStore::default(),
            scans: AtomicUsize::new(0),
            fails_after: scans,
        })
    }

    fn scans(&self) -> usize {
        self.scans.load(Ordering::SeqCst)
    }

    /// Waits until nothing is scanned any more.
    async fn at_rest(&self) -> usize {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let scans = self.scans();
            sleep(Duration::from_millis(500)).await;
            if scans == self.scans() {
                return scans;
            }
            assert!(Instant::now() < deadline, "{scans} scans and more");
        }
    }
}

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("endless")
    }
}

#[async_trait]
impl KvStore for Endless {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.memory.read(keys).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        self.memory.write(writes).await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        self.memory.transact(operations).await
    }

    async fn scan(&self, _: ScanOptions) -> Result<Page> {
        let number = self.scans.fetch_add(1, Ordering::SeqCst);
        if number == self.fails_after {
            return Err(Error::new(ErrorKind::Unavailable, "the disk is gone"));
        }
        let key = Key::new(format!("{number:08}"))?;
        let mut entry = ScanEntry::new(key.clone(), Version::new(1), Self::VALUE.len() as u64);
        entry.value = Some(Self::VALUE);
        Ok(Page::new(vec![entry], Vec::new(), Some(key)))
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.memory.changes(options).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.memory.stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.memory.check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.memory.capabilities()
    }
}

#[tokio::test]
async fn an_export_that_fails_in_the_middle_does_not_look_whole() {
    let server = Server::with_store(Endless::failing_after(5), &[]);
    let response = server.get("/export").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.bytes_stream();
    let mut bytes = 0;
    let error = loop {
        match body
            .next()
            .await
            .expect("the export ended as if it were whole")
        {
            Ok(piece) => bytes += piece.len(),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert!(bytes < 6 << 20, "{bytes}");

    // On the wire: the chunk that says that there are no more is missing.
    let server = Server::with_store(Endless::failing_after(2), &[]);
    let answer = server
        .exchange("GET /export HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 "));
    assert!(!answer.ends_with("0\r\n\r\n"));
}

#[tokio::test]
async fn an_export_that_cannot_begin_is_answered_with_its_reason() {
    let server = Server::with_store(Endless::failing_after(0), &[]);
    let response = server.get("/export").send().await.unwrap();
    assert_eq!(response.status(), 503);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["detail"], "the disk is gone");
}

#[tokio::test]
async fn a_head_scans_no_more_than_it_must() {
    let store = Endless::failing_after(1000);
    let server = Server::with_store(Arc::clone(&store) as _, &[]);
    let head = server
        .exchange("HEAD /export HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(
        head.contains("content-type: application/x-ndjson\r\n"),
        "{head}"
    );
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    assert!(!head.contains("content-length"), "{head}");
    assert_eq!(store.at_rest().await, 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_ahead_for_and_one_that_goes_away_ends_the_scan() {
    let store = Endless::failing_after(usize::MAX);
    let server = Server::with_store(Arc::clone(&store) as _, &[]);
    // Of a fixed size: left to itself, the buffer grows with what is read, to as much as the system allows.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1 << 20).unwrap();
    let mut stream = socket.connect(server.address).await.unwrap();
    stream
        .write_all(b"GET /export HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    read_head(&mut stream).await;
    // What the buffers of the two sockets hold, and no more: those of the server may grow, too.
    let held = store.at_rest().await;
    assert!(held <= 16, "{held}");
    let mut taken = vec![0; 32 << 20];
    stream.read_exact(&mut taken).await.unwrap();
    let more = store.at_rest().await;
    assert!((32..=32 + 16).contains(&more), "{more}");
    drop(stream);
    let after = store.at_rest().await;
    assert!(after <= more + 1, "{after}");
}

#[tokio::test]
async fn an_import_into_a_store_that_fails_says_what_was_stored() {
    let server = Server::with_store(Arc::new(crate::failing::ReadOnly::default()), &[]);
    let failed = import(&server, "", LINES).await;
    assert_eq!(failed.status(), 503);
    let problem: Value = failed.json().await.unwrap();
    assert_eq!(problem["import"]["imported"], 0);
    assert_eq!(problem["import"]["error"]["code"], "unavailable");
    let key = "a".parse().unwrap();
    assert!(server.store.get(&key).await.unwrap().is_none());
}

/// The most memory that the process has had, in KiB.
#[cfg(target_os = "linux")]
fn peak(server: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1);
    kib.unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_does_not_grow_with_what_is_transferred() {
    const SMALL: usize = 200_000;
    const LARGE: usize = 200;
    let directory = tempfile::tempdir().unwrap();
    let url = crate::binary::sqlite(&directory.path().join("kverse.db"));
    let server = Process::start_at(&url, &["--cache-bytes", "0"]);
    // No time limit in all.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();

    let small = (0..SMALL).map(|number| format!("{{\"key\":\"{number:06}\",\"value\":\"v\"}}\n"));
    let value = "x".repeat(1 << 20);
    let large = (0..LARGE)
        .map(move |number| format!("{{\"key\":\"large/{number:06}\",\"value\":\"{value}\"}}\n"));
    let lines = futures_util::stream::iter(small.chain(large).map(Ok::<_, Error>))
        .ready_chunks(1000)
        .map(|lines| lines.into_iter().collect::<Result<String, _>>());
    let imported = client
        .post(format!("{}/import", server.url()))
        .header("Content-Type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(lines))
        .send()
        .await
        .unwrap();
    let report: Value = imported.json().await.unwrap();
    assert_eq!(report["imported"], SMALL + LARGE);
    let after_import = peak(&server);

    let exported = client.get(format!("{}/export", server.url())).send();
    let mut body = exported.await.unwrap().bytes_stream();
    let mut lines = 0;
    while let Some(piece) = body.next().await {
        let piece = piece.unwrap();
        lines += piece.iter().filter(|byte| **byte == b'\n').count();
    }
    assert_eq!(lines, SMALL + LARGE);
    let after_export = peak(&server);
    println!("{after_import} KiB after the import, {after_export} KiB after the export");
    assert!(
        after_export < 128 << 10,
        "{after_import}, {after_export} KiB"
    );
}

#[tokio::test]
async fn an_export_whose_server_is_killed_does_not_look_whole() {
    let mut server = Process::start(&[]);
    let client = crate::common::client();
    let line = |number| format!("{{\"key\":\"{number:06}\",\"value\":\"{:01000}\"}}\n", 0);
    let lines: String = (0..20_000).map(line).collect();
    let imported = client
        .post(format!("{}/import", server.url()))
        .header("Content-Type", "application/x-ndjson")
        .body(lines)
        .send()
        .await
        .unwrap();
    assert_eq!(imported.status(), 200);
    let exported = client.get(format!("{}/export", server.url())).send();
    let mut body = exported.await.unwrap().bytes_stream();
    body.next().await.unwrap().unwrap();
    server.kill();
    let rest: Vec<_> = body.collect().await;
    assert!(rest.last().is_some_and(Result::is_err));
}
