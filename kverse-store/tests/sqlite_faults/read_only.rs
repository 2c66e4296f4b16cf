//! Files that may only be read.

use std::fs;
use std::path::Path;

use kverse_core::{ErrorKind, KvStore, KvStoreExt};
use kverse_store::sqlite::{SqliteConfig, SqliteStore};

use crate::fixture::{Fixture, key};

/// Not a test of its own: what the next test runs as a user for whom the file is read-only. Nothing is for root.
#[cfg(unix)]
#[tokio::test]
#[ignore = "run by a_read_only_file_can_be_read"]
async fn read_a_read_only_file() {
    let path = std::env::var("READ_ONLY_DATABASE").unwrap();
    let store = SqliteStore::open(SqliteConfig::new(path)).await.unwrap();
    let entry = store.get(&key("a")).await.unwrap().unwrap();
    assert_eq!(entry.value, "1");
    for _ in 0..2 {
        let error = store.put(&key("a"), "2").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert_eq!(error.to_string(), "the database is read-only");
    }
    let health = store.check().await;
    assert!(health[0].result.is_err(), "healthy but read-only");
}

#[cfg(unix)]
#[tokio::test]
async fn a_read_only_file_can_be_read() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    let fixture = Fixture::new();
    fixture.open().await.put(&key("a"), "1").await.unwrap();
    let lock = fixture.directory.path().join("kverse.db.lock");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(fixture.directory.path(), 0o777);
    mode(&fixture.path(), 0o444);
    mode(&lock, 0o666);
    // The test program may lie where only its owner can go.
    let program = fixture.directory.path().join("test");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    mode(&program, 0o755);
    let mut command = std::process::Command::new(&program);
    command
        .args(["--exact", "--ignored", "read_only::read_a_read_only_file"])
        .env("READ_ONLY_DATABASE", fixture.path())
        .current_dir(fixture.directory.path());
    if fs::metadata(&lock).unwrap().uid() == 0 {
        command.uid(NOBODY);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}
