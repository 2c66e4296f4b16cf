//! Exports.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tokio::runtime::Runtime;

use crate::common::cli;
use crate::document::{Block, Shell};
use crate::load::{Load, Quality, store};
use crate::server::TestServer;

#[test]
fn an_export_made_under_load_has_all_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let server = TestServer::start(&["--database-url", "memory:"]);
    let shell = Shell::new(directory.path()).with("KVERSE_STORE", &server.url);
    let load = Load::start(&[&server.url]);
    let token = ["token", "create", "--name", "lost", "--scope", "read:"];
    assert_eq!(cli(&server.url, &token).code, Some(0));
    let expected = load.expected();
    shell.run(Block::Export);
    load.put_new();
    load.stop();
    let exported = shell.file("kverse.ndjson");
    let mode = fs::metadata(exported).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    shell.run(Block::Import);
    let imported = format!("sqlite:{}", shell.file("imported.db").display());
    Runtime::new().unwrap().block_on(async {
        let store = store(&imported, None).await;
        expected.is_in(&*store, Quality::Entries).await;
        store.close().await;
    });
    assert_eq!(cli(&imported, &["token", "list"]).text(), "");
}
