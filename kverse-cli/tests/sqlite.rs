//! The command line on an SQLite file, without a server and beside one.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Run, cli, command};
use server::TestServer;

/// A directory, and the URL of a database in it.
fn database() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("kverse.db").display());
    (directory, url)
}

#[test]
fn what_one_command_stores_the_next_one_reads() {
    let (_directory, url) = database();
    let bytes: Vec<u8> = (0..=255).collect();
    Run::of(command(&url, &["put", "k"]).write_stdin(bytes.clone())).text();
    assert_eq!(cli(&url, &["get", "k"]).stdout, bytes);
    let version = cli(&url, &["get", "k", "-o", "json"]).json()["version"].clone();
    cli(&url, &["put", "k", "new", "--if-absent"]).failed(4, version.as_str().unwrap());
    cli(
        &url,
        &["put", "k", "new", "--if-match", version.as_str().unwrap()],
    )
    .text();
    assert_eq!(cli(&url, &["list"]).text(), "k\n");
    assert_eq!(cli(&url, &["stats", "-o", "json"]).json()["items"], 1);
    assert_eq!(cli(&url, &["health", "-o", "json"]).json()["status"], "ok");
    cli(&url, &["delete", "k"]).text();
    cli(&url, &["get", "k"]).failed(3, "\"k\" does not exist");
}

#[test]
fn a_file_that_a_server_has_open_is_refused() {
    let (_directory, url) = database();
    let server = TestServer::start(&["--database-url", &url]);
    cli(&server.url, &["put", "k", "through the server"]).text();
    cli(&url, &["get", "k"]).failed(6, "is in use by another KVerse process");
    drop(server);
    assert_eq!(cli(&url, &["get", "k"]).text(), "through the server");
}

#[test]
fn a_file_that_is_no_database_is_an_error() {
    let (directory, url) = database();
    std::fs::write(directory.path().join("kverse.db"), [b'x'; 4096]).unwrap();
    let run = cli(&url, &["get", "k"]);
    assert!(matches!(run.code, Some(1 | 6)), "{run:?}");
    assert!(run.stderr.contains("kverse.db"), "{run:?}");
    assert!(!run.stderr.contains("panicked"), "{run:?}");
}
