//! SQLite in bad conditions: full disks, read-only and broken files, two stores on one file, clocks that go back.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::connection::{Connection, SimpleConnection};
use diesel::sqlite::SqliteConnection;
use kverse_core::{
    Error, ErrorKind, Key, KvStore, KvStoreExt, ManualClock, PutOptions, Timestamp, Write,
};
use kverse_store::sqlite::{SqliteConfig, SqliteStore};
use prometheus::Registry;
use tempfile::TempDir;

struct Fixture {
    directory: TempDir,
    clock: Arc<ManualClock>,
}

impl Fixture {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("kverse.db")
    }

    fn config(&self) -> SqliteConfig {
        SqliteConfig::new(self.path()).with_clock(Arc::clone(&self.clock) as _)
    }

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(self.config()).await.unwrap()
    }

    async fn open_error(&self) -> Error {
        SqliteStore::open(self.config()).await.unwrap_err()
    }

    /// Runs SQL as another program would.
    fn sql(&self, sql: &str) {
        let mut connection = SqliteConnection::establish(self.path().to_str().unwrap()).unwrap();
        connection.batch_execute(sql).unwrap();
    }
}

fn key(text: impl std::fmt::Display) -> Key {
    text.to_string().parse().unwrap()
}

fn file_bytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

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
        .args(["--exact", "--ignored", "fill_a_small_disk"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

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
        .args(["--exact", "--ignored", "read_a_read_only_file"])
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

#[tokio::test]
async fn a_second_store_on_the_file_is_refused_and_told_why() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let path = fixture.path();
    let other_name = fixture.directory.path().join(".").join("kverse.db");
    for name in [path.clone(), other_name] {
        let error = SqliteStore::open(SqliteConfig::new(name))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let expected = format!(
            "{} is in use by another KVerse process (pid {}); stop it, or use its HTTP address",
            path.canonicalize().unwrap().display(),
            std::process::id()
        );
        assert_eq!(error.to_string(), expected);
    }
    store.put(&key("a"), "1").await.unwrap();
    drop(store);
    let store = fixture.open().await;
    assert!(store.get(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let fixture = Fixture::new();
    drop(fixture.open().await);
    fixture.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')");
    let error = fixture.open_error().await;
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "the database was made by a newer version of KVerse (schema 29991231000000); use that version or a later one"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let fixture = Fixture::new();
    let text = "not a database\n".repeat(1000);
    fs::write(fixture.path(), &text).unwrap();
    let error = fixture.open_error().await;
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let expected = format!(
        "cannot open {}: the file is not an SQLite database",
        fixture.path().display()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(fs::read_to_string(fixture.path()).unwrap(), text);
}

#[tokio::test]
async fn a_path_that_cannot_be_a_database_is_refused() {
    let fixture = Fixture::new();
    let directory = fixture.directory.path();
    for (path, text) in [
        (directory.to_owned(), "is a directory"),
        (directory.join("none").join("kverse.db"), "the directory"),
        (directory.join("a\0b"), "NUL byte"),
    ] {
        let error = SqliteStore::open(SqliteConfig::new(&path))
            .await
            .unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        let shown = directory.display().to_string();
        assert!(error.to_string().contains(&shown), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_database_is_reported_as_corrupt() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    for number in 0..200 {
        store.put(&key(number), vec![b'x'; 1000]).await.unwrap();
    }
    drop(store);
    let mut bytes = fs::read(fixture.path()).unwrap();
    // Pages of the table and its index, not the schema on the first page.
    bytes[5 * 4096..].fill(0xa5);
    fs::write(fixture.path(), bytes).unwrap();
    let error = match SqliteStore::open(fixture.config()).await {
        Ok(store) => store.get(&key(100)).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
}

#[tokio::test]
async fn versions_grow_across_a_restart_with_a_clock_that_went_back() {
    let fixture = Fixture::new();
    let (kept, deleted) = (key("kept"), key("deleted"));
    let store = fixture.open().await;
    let mut last = store.put(&kept, "1").await.unwrap().version;
    store.put(&deleted, "1").await.unwrap();
    let deleted_at = store
        .write_one(Write::delete(deleted.clone()))
        .await
        .unwrap()
        .version;
    drop(store);
    for hours in 1..4 {
        let now = Timestamp::from_micros(1_000_000_000_000_000);
        fixture
            .clock
            .set(now.saturating_sub(Duration::from_secs(hours * 3600)));
        let store = fixture.open().await;
        assert_eq!(store.get(&kept).await.unwrap().unwrap().version, last);
        let version = store.put(&kept, "2").await.unwrap().version;
        assert!(version > last);
        last = version;
    }
    let store = fixture.open().await;
    assert!(store.put(&deleted, "2").await.unwrap().version > deleted_at);
}

#[tokio::test]
async fn expired_entries_become_tombstones_and_tombstones_are_removed() {
    const HOUR: Duration = Duration::from_secs(3600);
    let fixture = Fixture::new();
    // Only when told to.
    let config = fixture.config().with_sweep_interval(Duration::MAX);
    let store = SqliteStore::open(config).await.unwrap();
    let ttl = PutOptions::default().with_ttl(HOUR);
    // More than one step of a sweep.
    let writes = |range: std::ops::Range<u32>| {
        range.map(|number| Write::put(key(number), "value").with_options(ttl.clone()))
    };
    store.write(writes(0..600).collect()).await.unwrap();
    store.put(&key("stays"), "value").await.unwrap();
    let sweep = async || {
        let swept = store.sweep().await.unwrap();
        (swept.expired, swept.removed)
    };
    assert_eq!(sweep().await, (0, 0));
    assert_eq!(store.stats().await.unwrap().items, 601);

    fixture.clock.advance(HOUR);
    assert_eq!(store.stats().await.unwrap().items, 1);
    // One that comes back before the sweep.
    assert!(!store.put(&key(7), "again").await.unwrap().existed);
    assert_eq!(store.stats().await.unwrap().items, 2);
    assert_eq!(sweep().await, (599, 0));
    assert_eq!(store.stats().await.unwrap().items, 2);

    let before = store.put(&key("stays"), "2").await.unwrap().version;
    fixture.clock.advance(24 * HOUR);
    assert_eq!(sweep().await, (0, 0), "kept for exactly 24 hours");
    fixture.clock.advance(Duration::from_micros(1));
    assert_eq!(sweep().await, (0, 599));
    assert_eq!(store.stats().await.unwrap().items, 2);
    assert!(store.put(&key(8), "new").await.unwrap().version > before);
    drop(store);
    assert_eq!(fixture.open().await.stats().await.unwrap().items, 3);
}

#[tokio::test]
async fn the_writer_sweeps_by_itself() {
    let fixture = Fixture::new();
    let config = fixture
        .config()
        .with_sweep_interval(Duration::from_millis(1));
    let store = SqliteStore::open(config).await.unwrap();
    let ttl = PutOptions::default().with_ttl(Duration::from_secs(1));
    let first = store.put_opts(&key("a"), "1", ttl).await.unwrap().version;
    fixture.clock.advance(Duration::from_secs(2));
    // A delete of what does not exist tells the version of the tombstone, which only the sweep has raised.
    let swept = async {
        loop {
            let delete = store.write_one(Write::delete(key("a"))).await.unwrap();
            if delete.version > first {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), swept)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_sweep_goes_on_while_nothing_is_asked() {
    const ENTRIES: usize = 1000;
    const HOUR: Duration = Duration::from_secs(3600);
    let fixture = Fixture::new();
    let config = fixture.config().with_sweep_interval(HOUR);
    let store = SqliteStore::open(config).await.unwrap();
    let ttl = PutOptions::default().with_ttl(HOUR);
    let put = |number| Write::put(key(number), "value").with_options(ttl.clone());
    store.write((0..ENTRIES).map(put).collect()).await.unwrap();
    fixture.clock.advance(2 * HOUR);
    // After this the writer hears nothing more: another connection looks.
    store.stats().await.unwrap();
    let mut other = SqliteConnection::establish(fixture.path().to_str().unwrap()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        // Fails while an entry is left.
        let swept = other.batch_execute(
            "CREATE TEMP TABLE IF NOT EXISTS swept (entries CHECK (entries = 0));
             INSERT INTO swept SELECT count(value) FROM kv",
        );
        match swept {
            Ok(()) => return,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

fn commits_and_operations(registry: &Registry) -> (u64, f64) {
    let families = registry.gather();
    let family = families
        .iter()
        .find(|family| family.name() == "kverse_sqlite_commit_operations")
        .unwrap();
    let histogram = family.get_metric()[0].get_histogram();
    (histogram.get_sample_count(), histogram.get_sample_sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writes_share_commits() {
    const WRITERS: usize = 64;
    const WRITES: usize = 20;
    let fixture = Fixture::new();
    let registry = Registry::new();
    let config = fixture.config().with_metrics(Some(registry.clone()));
    let store = Arc::new(SqliteStore::open(config).await.unwrap());
    let writers = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..WRITES {
                let key = key(format!("{writer}/{number}"));
                store.put(&key, "value").await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let (commits, operations) = commits_and_operations(&registry);
    assert_eq!(operations, (WRITERS * WRITES) as f64);
    assert!(
        commits < (WRITERS * WRITES) as u64 / 4,
        "{commits} commits of {operations} writes"
    );
    let items = store.stats().await.unwrap().items;
    assert_eq!(items, (WRITERS * WRITES) as u64);
}

#[tokio::test]
async fn a_dropped_write_is_done_whole_or_not_at_all() {
    use std::future::Future;
    use std::task::{Context, Waker};

    let fixture = Fixture::new();
    let store = fixture.open().await;
    for round in 0..50 {
        let writes = (0..10).map(|number| Write::put(key(number), format!("{round}")));
        let mut write = Box::pin(store.write(writes.collect()));
        // Polled once, so that it is in the queue, and dropped.
        let mut context = Context::from_waker(Waker::noop());
        let _ = write.as_mut().poll(&mut context);
        drop(write);
        let keys: Vec<Key> = (0..10).map(key).collect();
        let read = store.read(&keys).await.unwrap();
        let value = |index: usize| read[index].entry.as_ref().map(|entry| entry.value.clone());
        for index in 0..10 {
            assert_eq!(value(index), value(0), "round {round}");
        }
    }
}

#[tokio::test]
async fn dropping_the_store_does_what_was_accepted_and_tidies_up() {
    use std::future::Future;
    use std::task::{Context, Waker};

    let fixture = Fixture::new();
    let store = fixture.open().await;
    let a = key("a");
    let mut write = Box::pin(store.put(&a, "1"));
    let mut context = Context::from_waker(Waker::noop());
    let _ = write.as_mut().poll(&mut context);
    drop(write);
    drop(store);
    for suffix in ["-wal", "-shm"] {
        let path = fixture.directory.path().join(format!("kverse.db{suffix}"));
        assert!(!path.exists(), "{suffix} is left");
    }
    let store = fixture.open().await;
    assert_eq!(store.get(&a).await.unwrap().unwrap().value, "1");
}

#[tokio::test]
async fn the_log_stays_bounded_under_writes_and_reads() {
    const VALUE_BYTES: usize = 256 << 10;
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let wal = fixture.directory.path().join("kverse.db-wal");
    let mut longest = 0;
    // 256 MiB in all, over the same 16 keys.
    for round in 0..64 {
        let writes = (0..16).map(|number| Write::put(key(number), vec![round; VALUE_BYTES]));
        let keys: Vec<Key> = (0..16).map(key).collect();
        let (written, read) = tokio::join!(store.write(writes.collect()), store.read(&keys));
        assert!(written.unwrap().iter().all(Result::is_ok));
        read.unwrap();
        longest = longest.max(file_bytes(&wal));
    }
    assert!(longest > 4 << 20, "the test writes to {}", wal.display());
    assert!(longest <= 80 << 20, "{longest} bytes");
}

#[tokio::test]
async fn a_database_locked_by_another_program_is_unavailable_then_works_again() {
    let fixture = Fixture::new();
    let store = fixture.open().await;
    let path = fixture.path();
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let error = store.put(&key("a"), "1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), "another program has locked the database");
    other.batch_execute("ROLLBACK").unwrap();
    store.put(&key("a"), "1").await.unwrap();
}

#[tokio::test]
async fn two_stores_in_memory_are_two_stores() {
    let open = async || SqliteStore::open(SqliteConfig::in_memory()).await.unwrap();
    let (one, other) = (open().await, open().await);
    one.put(&key("a"), "1").await.unwrap();
    assert!(one.get(&key("a")).await.unwrap().is_some());
    assert!(other.get(&key("a")).await.unwrap().is_none());
    assert_eq!(one.to_string(), "sqlite::memory:");
    assert!(!one.capabilities().durable);
}
