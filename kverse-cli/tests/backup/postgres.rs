//! Dumps of PostgreSQL, and its return to a moment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use kverse_store::testing::{PostgresOptions, PostgresServer, RedisServer};
use tokio::runtime::Runtime;

use crate::common::cli;
use crate::document::{Block, Shell};
use crate::load::{Expected, Load, Quality, store};
use crate::server::TestServer;

/// The database that the document speaks of.
const DATABASE: &str = "kverse";

fn start(options: PostgresOptions) -> PostgresServer {
    let postgres = PostgresServer::start(options);
    postgres.sql("postgres", &format!("CREATE DATABASE {DATABASE}"));
    postgres
}

/// With what the programs of PostgreSQL need.
fn shell(directory: &tempfile::TempDir, postgres: &PostgresServer) -> Shell {
    let address = postgres.address();
    Shell::new(directory.path())
        .with("PGHOST", address.ip().to_string())
        .with("PGPORT", address.port().to_string())
        .with("PGUSER", "kverse")
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn is_at(expected: &Expected, url: &str, redis: Option<&str>) {
    Runtime::new().unwrap().block_on(async {
        let store = store(url, redis).await;
        expected.is_in(&*store, Quality::Snapshot).await;
        store.close().await;
    });
}

#[test]
fn a_dump_made_under_load_has_all_that_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = start(PostgresOptions::default());
    let redis = RedisServer::start_with(&["--maxmemory-policy", "volatile-lru"]);
    let shell = shell(&directory, &postgres).with("REDIS_URL", redis.url());
    let (url, redis) = (postgres.url(DATABASE), redis.url());
    let token = ["token", "create", "--name", "kept", "--scope", "read:"];
    assert_eq!(cli(&url, &token).code, Some(0));
    let serve = || TestServer::start(&["--database-url", &url, "--redis-url", &redis]);
    let nobody = || {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'kverse'";
        until("the servers are gone", || {
            postgres.sql("postgres", others) == "0"
        });
    };
    let cached = || {
        let mode = || postgres.sql(DATABASE, "SELECT mode FROM cache_mode");
        until("the cache is used", || mode() == "on");
    };

    let servers = [serve(), serve()];
    let load = Load::start(&[&servers[0].url, &servers[1].url]);
    cached();
    let expected = load.expected();
    shell.run(Block::Dump);
    load.go_on();
    load.put_new();
    load.stop();
    let mode = fs::metadata(shell.file("kverse.dump"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    shell.run(Block::RestoreBeside);
    is_at(&expected, &postgres.url("kverse_restored"), Some(&redis));

    drop(servers);
    nobody();
    shell.run(Block::Swap);
    let server = serve();
    is_at(&expected, &server.url, None);
    let load = Load::start(&[&server.url]);
    cached();
    let expected = load.expected();
    fs::remove_file(shell.file("kverse.dump")).unwrap();
    shell.run(Block::Dump);
    load.put_new();
    load.stop();
    drop(server);
    nobody();
    shell.run(Block::RestoreInPlace);
    let server = serve();
    is_at(&expected, &server.url, None);
    drop(server);
    nobody();
    let tokens = postgres.sql(DATABASE, "SELECT name FROM access_token");
    assert_eq!(tokens, "kept");
}

#[test]
fn a_database_goes_back_to_a_moment() {
    let directory = tempfile::tempdir().unwrap();
    // %p is relative to the data.
    let archive = "test ! -f ../archive/%f && cp %p ../archive/%f";
    let postgres = start(
        PostgresOptions::default()
            .with_setting("archive_mode", "on")
            .with_setting("archive_command", archive),
    );
    let data = postgres.data();
    let archive = data.with_file_name("archive");
    // The user that the server runs as.
    let give = |path: &std::path::Path, like: &std::path::Path| {
        let mut chown = Command::new("chown");
        let reference = format!("--reference={}", like.display());
        let given = chown.args(["-R", &reference]).arg(path).status();
        assert!(given.unwrap().success());
    };
    fs::create_dir(&archive).unwrap();
    give(&archive, &data);
    let access = fs::read_to_string(data.join("pg_hba.conf")).unwrap();
    let access = format!("host replication all 127.0.0.1/32 trust\n{access}");
    fs::write(data.join("pg_hba.conf"), access).unwrap();
    postgres.sql("postgres", "SELECT pg_reload_conf()");

    let url = postgres.url(DATABASE);
    let server = TestServer::start(&["--database-url", &url]);
    let load = Load::start(&[&server.url]);
    let base = shell(&directory, &postgres);
    base.run(Block::BaseBackup);
    load.go_on();
    let expected = load.expected();
    let moment = postgres.sql("postgres", "SELECT clock_timestamp()");
    load.put_new();
    load.go_on();
    load.stop();
    drop(server);
    postgres.sql("postgres", "SELECT pg_switch_wal()");
    // Archives what is left.
    postgres.stop();

    let before = data.with_file_name("before");
    fs::rename(&data, &before).unwrap();
    base.with("PGDATA", data.to_str().unwrap())
        .with("ARCHIVE", archive.to_str().unwrap())
        .with("RECOVERY_TIME", moment)
        .run(Block::Recover);
    give(&data, &before);
    postgres.start_again();
    let recovering = || postgres.sql("postgres", "SELECT pg_is_in_recovery()") == "t";
    until("the recovery ends", || !recovering());
    let server = TestServer::start(&["--database-url", &url]);
    is_at(&expected, &server.url, None);
}
