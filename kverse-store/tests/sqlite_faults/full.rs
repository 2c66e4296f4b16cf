//! Stores and disks that are full.

use std::fs;
use std::time::Duration;

use kverse_core::{Error, ErrorKind, Key, KvStore, KvStoreExt, Write};
use kverse_store::sqlite::{SqliteConfig, SqliteStore};
use tempfile::TempDir;

use crate::fixture::{Fixture, key};

/// Puts values of this size until the store is full; the keys of those that were acknowledged.
async fn fill(store: &SqliteStore, value_bytes: usize) -> (Vec<Key>, Error) {
    let mut stored = Vec::new();
    for number in 0..10_000 {
        let key = key(number);
        match store.put(&key, vec![b'x'; value_bytes]).await {
            Ok(_) => stored.push(key),
            Err(error) => return (stored, error),
        }
    }
    panic!("10000 values of {value_bytes} bytes fit");
}

async fn assert_all_there(store: &SqliteStore, keys: &[Key], value_bytes: usize) {
    for key in keys {
        let entry = store.get(key).await.unwrap().unwrap();
        assert_eq!(entry.value, vec![b'x'; value_bytes]);
    }
    assert_eq!(store.stats().await.unwrap().items, keys.len() as u64);
}

#[tokio::test]
async fn a_full_store_keeps_what_it_has_and_goes_on_when_there_is_space() {
    const BYTES: usize = 20_000;
    let fixture = Fixture::new();
    let config = fixture.config().with_max_bytes(Some(1 << 20));
    let store = SqliteStore::open(config.clone()).await.unwrap();
    let (mut stored, error) = fill(&store, BYTES).await;
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert!(error.is_retryable());
    assert!(stored.len() > 40, "{}", stored.len());
    assert_all_there(&store, &stored, BYTES).await;

    // One that does not fit does not keep out its neighbours in the same commit.
    let (new, old) = (key("new"), stored.pop().unwrap());
    let (put, delete) = tokio::join!(store.put(&new, vec![b'x'; BYTES * 2]), store.delete(&old));
    assert_eq!(put.unwrap_err().kind(), ErrorKind::StorageFull);
    assert!(delete.unwrap());

    store.put(&new, vec![b'x'; BYTES]).await.unwrap();
    stored.push(new);

    // Nor in the same call.
    let old = stored.pop().unwrap();
    let too_large = Write::put(key("too large"), vec![b'x'; BYTES * 2]);
    let writes = vec![too_large, Write::delete(old.clone())];
    let mut outcomes = store.write(writes).await.unwrap();
    assert!(outcomes.pop().unwrap().unwrap().existed);
    let error = outcomes.pop().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    store.put(&old, vec![b'x'; BYTES]).await.unwrap();
    stored.push(old);
    assert_all_there(&store, &stored, BYTES).await;
    drop(store);
    let store = SqliteStore::open(config).await.unwrap();
    assert_all_there(&store, &stored, BYTES).await;
}

/// Mounts a file system of 1 MiB, which nobody outside this process sees, and which is gone with it.
#[cfg(target_os = "linux")]
fn mount_small_disk() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let output = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "kverse-test"])
        .arg(directory.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cannot mount a small disk: {text}");
    directory
}

/// Not a test of its own: what the next test runs where it may mount a disk.
#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "run by a_full_disk_loses_nothing_and_the_store_goes_on_when_there_is_space"]
async fn fill_a_small_disk() {
    const BYTES: usize = 10_000;
    let disk = mount_small_disk();
    let ballast = disk.path().join("ballast");
    fs::write(&ballast, vec![0; 400_000]).unwrap();
    let config = SqliteConfig::new(disk.path().join("kverse.db"));
    let store = SqliteStore::open(config.clone()).await.unwrap();
    let (mut stored, error) = fill(&store, BYTES).await;
    assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
    assert!(stored.len() > 10, "{}", stored.len());
    assert_all_there(&store, &stored, BYTES).await;
    // What the large value left over is soon used up.
    let unhealthy = async { while store.check().await[0].result.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(10), unhealthy)
        .await
        .unwrap();

    fs::remove_file(ballast).unwrap();
    let new = key("new");
    store.put(&new, vec![b'x'; BYTES]).await.unwrap();
    stored.push(new);
    assert!(store.check().await[0].result.is_ok());
    assert_all_there(&store, &stored, BYTES).await;
    drop(store);
    let store = SqliteStore::open(config).await.unwrap();
    assert_all_there(&store, &stored, BYTES).await;
}

/// In namespaces of its own, in which any user may mount.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing_and_the_store_goes_on_when_there_is_space() {
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "full::fill_a_small_disk"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
