//! Each command against a real server.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/server.rs"]
mod server;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use common::{Run, cli, command};
use server::TestServer;

/// A server of an empty store in memory.
fn memory_server() -> TestServer {
    TestServer::start(&["--database-url", "memory:"])
}

#[test]
fn a_value_comes_back_byte_for_byte() {
    let server = memory_server();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let at_file = format!("@{}", file.path().display());

    cli(&server.url, &["put", "argument", "  a value\n"]).text();
    cli(&server.url, &["put", "file", &at_file]).text();
    for (key, args) in [
        ("piped", vec!["put", "piped"]),
        ("hyphen", vec!["put", "hyphen", "-"]),
    ] {
        let mut put = command(&server.url, &args);
        Run::of(put.write_stdin(bytes.clone())).text();
        assert!(cli(&server.url, &["get", key]).stdout == bytes, "{key}");
    }
    assert!(cli(&server.url, &["get", "file"]).stdout == bytes);
    assert_eq!(cli(&server.url, &["get", "argument"]).text(), "  a value\n");
}

#[test]
fn a_value_may_begin_with_what_means_something() {
    let server = memory_server();
    Run::of(command(&server.url, &["put", "k"]).write_stdin("@x")).text();
    assert_eq!(cli(&server.url, &["get", "k"]).text(), "@x");
    cli(&server.url, &["put", "k", "--", "--flag"]).text();
    assert_eq!(cli(&server.url, &["get", "k"]).text(), "--flag");
    cli(&server.url, &["put", "k", "-5"]).text();
    assert_eq!(cli(&server.url, &["get", "k"]).text(), "-5");
    cli(&server.url, &["put", "k", ""]).text();
    assert_eq!(cli(&server.url, &["get", "k"]).text(), "");
}

#[test]
fn json_tells_everything() {
    let server = memory_server();
    let put = ["put", "k", "text", "-o", "json", "--content-type", "a/b"];
    let stored = cli(&server.url, &put).json();
    assert_eq!(stored["created"], true);
    assert_eq!(stored["expires_at"], serde_json::Value::Null);
    let got = cli(&server.url, &["get", "k", "-o", "json"]).json();
    let expected = serde_json::json!({
        "key": "k", "version": stored["version"], "size": 4, "content_type": "a/b", "expires_at": null, "value": "text",
    });
    assert_eq!(got, expected);

    let ttl = ["put", "k", "-", "--ttl", "1h", "-o", "json"];
    let stored = Run::of(command(&server.url, &ttl).write_stdin([0xff])).json();
    assert_eq!(stored["created"], false);
    let got = cli(&server.url, &["get", "k", "-o", "json"]).json();
    assert_eq!(got["value_base64"], "/w==");
    assert_eq!(got["expires_at"], stored["expires_at"]);
    assert!(got["expires_at"].is_string());
}

#[test]
fn the_content_type_is_that_of_the_file_unless_it_is_given() {
    let server = memory_server();
    let directory = tempfile::tempdir().unwrap();
    let content_type = |name: &str, args: &[&str]| {
        let file = directory.path().join(name);
        std::fs::write(&file, "value").unwrap();
        let value = format!("@{}", file.display());
        cli(&server.url, &[&["put", "k", &value], args].concat()).text();
        cli(&server.url, &["get", "k", "-o", "json"]).json()["content_type"].clone()
    };
    assert_eq!(content_type("logo.png", &[]), "image/png");
    assert_eq!(content_type("LOGO.SVG", &[]), "image/svg+xml");
    assert_eq!(content_type("logo.png", &["--content-type", "a/b"]), "a/b");
    assert_eq!(content_type("logo", &[]), serde_json::Value::Null);
    // Only the name of a file tells.
    cli(&server.url, &["put", "k", "logo.png"]).text();
    let got = cli(&server.url, &["get", "k", "-o", "json"]).json();
    assert_eq!(got["content_type"], serde_json::Value::Null);
}

#[test]
fn a_value_goes_to_a_file_if_there_is_one() {
    let server = memory_server();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("value");
    let path = file.to_str().unwrap();
    let bytes: Vec<u8> = (0..=255).collect();
    Run::of(command(&server.url, &["put", "k"]).write_stdin(bytes.clone())).text();
    assert_eq!(cli(&server.url, &["get", "k", "--to", path]).text(), "");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    cli(&server.url, &["get", "missing", "--to", path]).failed(3, "does not exist");
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    cli(&server.url, &["get", "k", "--to", "/does/not/exist"])
        .failed(1, "kverse-cli: cannot write /does");
    cli(&server.url, &["get", "k", "--to", path, "-o", "json"]).failed(2, "without -o json");
}

#[test]
fn a_put_obeys_its_precondition() {
    let server = memory_server();
    let put = |args: &[&str]| {
        cli(
            &server.url,
            &[&["put", "k", "value", "-o", "json"], args].concat(),
        )
    };
    put(&["--if-match", "*"]).failed(4, "the key does not exist");
    let first = put(&["--if-absent"]).json();
    let version = first["version"].as_str().unwrap();
    put(&["--if-absent"]).failed(4, version);
    put(&["--if-match", "1"]).failed(4, version);
    assert_eq!(put(&["--if-match", version]).json()["created"], false);
    put(&["--if-match", version]).failed(4, "precondition");
    put(&["--if-match", "one"]).failed(2, "not a version");
    put(&["--if-match", "1", "--if-absent"]).failed(2, "cannot be used with");
}

#[test]
fn a_missing_key_is_reported_and_the_others_are_deleted() {
    let server = memory_server();
    for key in ["a", "b", "c"] {
        cli(&server.url, &["put", key, "value"]).text();
    }
    let run = cli(&server.url, &["delete", "a", "missing", "b"]);
    run.failed(3, "\"missing\" does not exist");
    assert_eq!(cli(&server.url, &["list"]).text(), "c\n");
    cli(&server.url, &["get", "a"]).failed(3, "\"a\" does not exist");

    cli(&server.url, &["delete", "a", "b", "--if-match", "1"])
        .failed(2, "a single key, 2 were given");
    cli(&server.url, &["delete", "c", "--if-match", "1"]).failed(4, "precondition");
    let deleted = cli(&server.url, &["delete", "c", "-o", "json"]).json();
    assert_eq!(
        (&deleted["key"], &deleted["deleted"]),
        (&"c".into(), &true.into())
    );
}

#[test]
fn keys_are_deleted_by_prefix_if_somebody_confirms() {
    let server = memory_server();
    for key in ["a", "a/1", "a/2", "a0"] {
        cli(&server.url, &["put", key, "value"]).text();
    }
    cli(&server.url, &["delete", "--prefix", "a/"]).failed(2, "--yes");
    cli(&server.url, &["delete", "--prefix", "a/", "a"]).failed(2, "cannot be used with");
    cli(&server.url, &["delete"]).failed(2, "required");
    let deleted = cli(
        &server.url,
        &["delete", "--prefix", "a/", "--yes", "-o", "json"],
    )
    .json();
    assert_eq!(
        (&deleted["prefix"], &deleted["deleted"]),
        (&"a/".into(), &2.into())
    );
    assert_eq!(cli(&server.url, &["list"]).text(), "a\na0\n");
    let everything = cli(&server.url, &["delete", "--prefix", "", "--yes"]);
    assert_eq!((everything.code, everything.stdout.len()), (Some(0), 0));
    assert!(
        everything.stderr.contains("deleted 2 keys"),
        "{everything:?}"
    );
    assert_eq!(cli(&server.url, &["list"]).text(), "");
}

#[test]
fn list_prints_keys_in_order_and_as_asked() {
    let server = memory_server();
    for key in ["b/2", "a", "b/1", "c\nd"] {
        cli(&server.url, &["put", key, key]).text();
    }
    let list = |args: &[&str]| cli(&server.url, &[&["list"], args].concat());
    // Not a terminal: keys come out as they are.
    assert_eq!(list(&[]).text(), "a\nb/1\nb/2\nc\nd\n");
    assert_eq!(list(&["b/"]).text(), "b/1\nb/2\n");
    assert_eq!(list(&["--limit", "2"]).text(), "a\nb/1\n");
    assert_eq!(list(&["b/", "--start-after", "b/1"]).text(), "b/2\n");
    assert_eq!(list(&["nothing"]).text(), "");
    let line = list(&["c", "-o", "json", "--values"]).json();
    assert_eq!(
        (&line["key"], &line["value"]),
        (&"c\nd".into(), &"c\nd".into())
    );
    assert_eq!(list(&["-o", "json"]).text().lines().count(), 4);
    list(&["--values"]).failed(2, "-o json");
    list(&["--limit", "0"]).failed(2, "--limit");
}

/// Enough keys for several pages and more than a pipe holds.
fn with_many_keys(count: usize) -> (TestServer, String) {
    let server = memory_server();
    let keys: Vec<String> = (0..count).map(|i| format!("key/{i:060}")).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let config = kverse_store::StoreConfig::new(server.url.parse().unwrap());
        let store = kverse_store::open(&config).await.unwrap();
        for keys in keys.chunks(1000) {
            let put = |key: &String| kverse_core::Write::put(key.parse().unwrap(), "v");
            for outcome in store.write(keys.iter().map(put).collect()).await.unwrap() {
                outcome.unwrap();
            }
        }
    });
    (server, keys.join("\n") + "\n")
}

#[test]
fn list_goes_through_all_pages() {
    let (server, expected) = with_many_keys(2500);
    assert!(cli(&server.url, &["list"]).text() == expected);
    let limited = cli(&server.url, &["list", "--limit", "1500"]).text();
    assert_eq!(limited.lines().count(), 1500);
    assert!(expected.starts_with(&limited));
}

#[test]
fn a_reader_that_has_enough_is_a_normal_end() {
    let (server, expected) = with_many_keys(5000);
    let mut list = Command::new(assert_cmd::cargo::cargo_bin!("kverse-cli"))
        .args(["--store", &server.url, "list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    let mut reader = BufReader::new(list.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    drop(reader);
    assert!(expected.starts_with(&first));
    let output = list.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn the_limits_are_those_of_the_server() {
    let database = ["--database-url", "memory:", "--max-value-bytes"];
    let small = TestServer::start(&[&database[..], &["100"]].concat());
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&[b'x'; 101]).unwrap();
    let at_file = format!("@{}", file.path().display());
    let message = "the value has 101 bytes, the limit is 100";
    cli(&small.url, &["put", "k", &at_file]).failed(7, message);
    cli(&small.url, &["put", "k", &"x".repeat(101)]).failed(7, message);
    let mut piped = command(&small.url, &["put", "k", "-"]);
    Run::of(piped.write_stdin(vec![b'x'; 101])).failed(7, "more than 100 bytes, the limit");
    cli(&small.url, &["get", "k"]).failed(3, "does not exist");

    let large = TestServer::start(&[&database[..], &["3000000"]].concat());
    let value = vec![0xf0; 3_000_000];
    Run::of(command(&large.url, &["put", "k"]).write_stdin(value.clone())).text();
    assert!(cli(&large.url, &["get", "k"]).stdout == value);
}

#[test]
fn stats_and_health() {
    let server = memory_server();
    cli(&server.url, &["put", "k", "value"]).text();
    assert_eq!(
        cli(&server.url, &["stats", "-o", "json"]).json()["items"],
        1
    );
    assert!(
        cli(&server.url, &["stats"])
            .text()
            .starts_with("items: 1\nas of: ")
    );
    let health = cli(&server.url, &["health", "-o", "json"]).json();
    assert_eq!(health["status"], "ok");
    assert!(!health["checks"].as_array().unwrap().is_empty());
    assert!(cli(&server.url, &["health"]).text().contains(": ok ("));
}
