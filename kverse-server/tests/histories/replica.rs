//! A server process whose links to PostgreSQL and Redis can fail, and whose clock can be wrong.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kverse_store::testing::{PostgresServer, ServerProcess, TcpProxy};
use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::DATABASE;

/// A running server.
pub(crate) struct Replica {
    process: ServerProcess,
    pub(crate) address: SocketAddr,
    /// Its link to PostgreSQL, to the primary.
    pub(crate) postgres: TcpProxy,
    /// Its links to standbys.
    standbys: Vec<TcpProxy>,
    /// Its link to Redis; in a cluster to the node that it is given.
    pub(crate) redis: TcpProxy,
    redis_scheme: &'static str,
    directory: TempDir,
    starts: usize,
}

/// Where Redis is, and what kind of it.
pub(crate) struct RedisLink {
    pub(crate) scheme: &'static str,
    pub(crate) address: SocketAddr,
}

impl Replica {
    const START_WAIT: Duration = Duration::from_secs(60);

    /// Starts a server on a Redis and a database, which is at the first of these servers, and may come to be at another.
    pub(crate) async fn start(databases: &[&PostgresServer], redis: RedisLink) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(clock_file(&directory), "+0").unwrap();
        let mut databases = databases.iter();
        let postgres = TcpProxy::start(databases.next().unwrap().address()).await;
        let mut standbys = Vec::new();
        for standby in databases {
            standbys.push(TcpProxy::start(standby.address()).await);
        }
        let redis_scheme = redis.scheme;
        let redis = TcpProxy::start(redis.address).await;
        let urls = urls(&postgres, &standbys, redis_scheme, &redis);
        let (process, address) = launch(&directory, 0, urls, "127.0.0.1:0").await;
        Self {
            process,
            address,
            postgres,
            standbys,
            redis,
            redis_scheme,
            directory,
            starts: 1,
        }
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again after [`Self::kill`], at the same address.
    pub(crate) async fn start_again(&mut self) {
        let urls = urls(
            &self.postgres,
            &self.standbys,
            self.redis_scheme,
            &self.redis,
        );
        let address = self.address.to_string();
        let (process, _) = launch(&self.directory, self.starts, urls, &address).await;
        self.process = process;
        self.starts += 1;
    }

    /// Stops it where it stands (SIGSTOP): the system still accepts connections for it.
    pub(crate) fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.process.resume();
    }

    /// Sets the clock that it sees, for example to `-1h` of the real one, within a second. Its monotonic clock stays
    /// right.
    pub(crate) fn set_clock(&self, offset: &str) {
        fs::write(clock_file(&self.directory), offset).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The end of what it has logged since it was started.
    pub(crate) fn last_words(&self) -> String {
        const LINES: usize = 40;
        let log = log_file(&self.directory, self.starts - 1);
        let log = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

fn clock_file(directory: &TempDir) -> PathBuf {
    directory.path().join("clock")
}

fn log_file(directory: &TempDir, start: usize) -> PathBuf {
    directory.path().join(format!("log-{start}"))
}

/// The URLs of the database and of Redis behind these links.
fn urls(
    postgres: &TcpProxy,
    standbys: &[TcpProxy],
    redis_scheme: &str,
    redis: &TcpProxy,
) -> [String; 2] {
    let mut hosts = postgres.address().to_string();
    for standby in standbys {
        hosts.push_str(&format!(",{}", standby.address()));
    }
    [
        format!("postgresql://kverse@{hosts}/{DATABASE}"),
        format!("{redis_scheme}://{}", redis.address()),
    ]
}

/// Starts the program; the process, and where it listens.
async fn launch(
    directory: &TempDir,
    start: usize,
    [database_url, redis_url]: [String; 2],
    address: &str,
) -> (ServerProcess, SocketAddr) {
    // Nothing of ours in its environment.
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let ours = ours.filter(|name| {
        name.starts_with("KVERSE_") || name == "DATABASE_URL" || name == "REDIS_URL"
    });
    let mut arguments: Vec<String> = ours.flat_map(|name| ["-u".to_owned(), name]).collect();
    arguments.extend([
        format!("LD_PRELOAD={}", fake_clock().display()),
        format!(
            "FAKETIME_TIMESTAMP_FILE={}",
            clock_file(directory).display()
        ),
        "FAKETIME_CACHE_DURATION=1".to_owned(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        env!("CARGO_BIN_EXE_kverse-server").to_owned(),
        format!("--database-url={database_url}"),
        format!("--redis-url={redis_url}"),
        format!("--listen={address}"),
        "--workers=2".to_owned(),
        "--log-format=json".to_owned(),
    ]);
    let log = log_file(directory, start);
    let mut process = ServerProcess::start(Path::new("env"), &arguments, None, &log);
    let deadline = Instant::now() + Replica::START_WAIT;
    loop {
        let text = fs::read_to_string(&log).unwrap();
        if let Some(address) = text.lines().find_map(listening) {
            return (process, address);
        }
        assert!(
            !process.has_ended() && Instant::now() < deadline,
            "the server does not start: {text}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn listening(line: &str) -> Option<SocketAddr> {
    let record: Value = serde_json::from_str(line).ok()?;
    let address = (record["message"] == "listening").then(|| record["address"].as_str())??;
    address.parse().ok()
}

/// The library that shows a process another time.
fn fake_clock() -> PathBuf {
    const NAME: &str = "faketime/libfaketimeMT.so.1";
    let libraries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = libraries
        .map(|entry| entry.path().join(NAME))
        .find(|path| path.exists());
    found.expect("this test needs libfaketime: run `make setup`, or apt-get install faketime")
}
