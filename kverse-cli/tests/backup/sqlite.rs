//! Copies of an SQLite file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use kverse_core::{ChangesOptions, ErrorKind, KvStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::common::{Run, cli, command};
use crate::document::{Block, Shell};
use crate::load::{Load, Quality, store};
use crate::server::TestServer;

fn url(path: &std::path::Path) -> String {
    format!("sqlite:{}", path.display())
}

/// The only copy that a block has made.
fn copy_in(directory: &TempDir, beginning: &str) -> PathBuf {
    let files = fs::read_dir(directory.path()).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut copies = files.filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(beginning) && name.ends_with(".db")
    });
    let copy = copies.next().unwrap();
    assert_eq!(copies.next(), None);
    copy
}

#[test]
fn a_copy_made_under_load_has_all_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let shell = Shell::new(directory.path());
    let database = url(&shell.file("kverse.db"));
    let token = ["token", "create", "--name", "kept", "--scope", "read:"];
    assert_eq!(cli(&database, &token).code, Some(0));
    let server = TestServer::start(&["--database-url", &database]);
    let load = Load::start(&[&server.url]);
    let runtime = Runtime::new().unwrap();
    let feed = runtime.block_on(async {
        let store = store(&server.url, None).await;
        let page = store
            .changes(ChangesOptions::new("".parse().unwrap()))
            .await;
        page.unwrap().position
    });
    let expected = load.expected();
    shell.run(Block::SqliteBackup);
    load.go_on();
    load.put_new();
    let copy = copy_in(&directory, "kverse-");
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let original = fs::metadata(shell.file("kverse.db")).unwrap();
    assert!(original.len() > 0);
    load.stop();
    drop(server);

    // Not opened yet: that would leave other files beside it.
    shell.run(Block::SqliteRestore);
    let server = TestServer::start(&["--database-url", &database]);
    runtime.block_on(async {
        let store = store(&server.url, None).await;
        expected.is_in(&*store, Quality::Snapshot).await;
        let since = ChangesOptions::new("".parse().unwrap()).with_since(Some(feed));
        let gone = store.changes(since).await.unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::Gone, "{gone:?}");
    });
    drop(server);
    let tokens = cli(&database, &["token", "list"]).text();
    assert!(tokens.contains("kept"), "{tokens}");
}

#[test]
fn the_nightly_job_keeps_some_copies() {
    let directory = tempfile::tempdir().unwrap();
    let database = tempfile::tempdir().unwrap();
    let database = database.path().join("kverse.db");
    let server = TestServer::start(&["--database-url", &url(&database)]);
    let load = Load::start(&[&server.url]);
    for (name, days) in [("nightly-old.db", 20), ("nightly-young.db", 13)] {
        let mut touch = Command::new("touch");
        let date = format!("--date={days} days ago");
        let touched = touch.arg(date).arg(directory.path().join(name)).status();
        assert!(touched.unwrap().success());
    }
    let shell = Shell::new(directory.path()).with("DATABASE", database.to_str().unwrap());
    let expected = load.expected();
    shell.run(Block::Nightly);
    assert!(!shell.file("nightly-old.db").exists());
    assert!(shell.file("nightly-young.db").exists());
    let copy = copy_in(&directory, "nightly-2");
    Runtime::new().unwrap().block_on(async {
        let store = store(&url(&copy), None).await;
        expected.is_in(&*store, Quality::Snapshot).await;
        store.close().await;
    });
    load.stop();
}

#[test]
fn nothing_is_overwritten_and_nothing_half_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let database = format!("sqlite:{}", path("kverse.db"));
    let names = || fs::read_dir(directory.path()).unwrap().count();
    cli(&database, &["backup", &path("copy.db")]).failed(2, "there is no such file");
    assert_eq!(names(), 0);
    cli(&database, &["put", "k", "value"]).text();
    let before = names();
    for taken in ["kverse.db", "kverse.db.lock"] {
        cli(&database, &["backup", &path(taken)]).failed(2, "give the name of a new file");
    }
    cli(&database, &["backup", &path("nowhere/copy.db")]).failed(1, "cannot write");
    for other in [
        "memory:",
        "http://127.0.0.1:1",
        "postgresql://127.0.0.1:1/x",
    ] {
        cli(other, &["backup", &path("copy.db")]).failed(2, "is not a database file");
    }
    fs::write(path("text"), "this is no database at all".repeat(100)).unwrap();
    let text = format!("sqlite:{}", path("text"));
    cli(&text, &["backup", &path("copy.db")]).failed(1, "not an SQLite database");
    fs::remove_file(path("text")).unwrap();
    assert_eq!(names(), before);
    let run = Run::of(&mut command(
        &database,
        &["backup", &path("copy.db"), "-o", "json"],
    ));
    let bytes = fs::metadata(path("copy.db")).unwrap().len();
    assert_eq!(run.json()["bytes"], bytes);
    assert_eq!(names(), before + 1);
    let copy = format!("sqlite:{}", path("copy.db"));
    assert_eq!(cli(&copy, &["get", "k"]).text(), "value");
}
