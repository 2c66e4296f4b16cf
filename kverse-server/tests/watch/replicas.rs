//! Several servers on one PostgreSQL and one Redis.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kverse_store::testing::{PostgresOptions, PostgresServer, RedisServer};
use reqwest::Client;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client::{DEADLINE, Watch, client};
use crate::process::Process;

const WRITERS: usize = 4;
const WATCHERS: usize = 4;
const KEYS: usize = 10;
/// How many writes are acknowledged before a replica is killed, and afterwards.
const WRITES: usize = 500;
/// The key that is written last.
const END: &str = "end";

struct Cluster {
    replicas: [Process; 2],
    _redis: RedisServer,
}

impl Cluster {
    /// On servers of which one has the database.
    async fn start(databases: &[&PostgresServer]) -> Self {
        let redis = RedisServer::start_with(&["--maxmemory-policy", "volatile-lru"]);
        let hosts = databases.iter().map(|server| server.address().to_string());
        let hosts = hosts.collect::<Vec<_>>().join(",");
        let database_url = format!("--database-url=postgresql://kverse@{hosts}/kverse");
        let redis_url = format!("--redis-url={}", redis.url());
        let options = [&*database_url, &*redis_url];
        Self {
            replicas: [
                Process::start(&options).await,
                Process::start(&options).await,
            ],
            _redis: redis,
        }
    }

    fn urls(&self) -> [String; 2] {
        [self.replicas[0].url(), self.replicas[1].url()]
    }
}

fn database() -> PostgresServer {
    let postgres = PostgresServer::start(PostgresOptions::default());
    postgres.sql("postgres", "CREATE DATABASE kverse");
    postgres
}

/// Stores something; the version, if it was acknowledged.
async fn put(client: &Client, url: &str, key: &str) -> Option<u64> {
    let request = client.put(format!("{url}/kv/{key}")).body("x");
    let answer = request.timeout(DEADLINE).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    version(&answer)
}

fn version(answer: &reqwest::Response) -> Option<u64> {
    let version = answer.headers().get("etag")?.to_str().ok()?;
    version.trim_matches('"').parse().ok()
}

/// What writers are told, and tell.
#[derive(Default)]
struct Progress {
    stop: AtomicBool,
    acknowledged: AtomicUsize,
}

impl Progress {
    /// Waits for so many more writes.
    async fn more(&self, writes: usize) {
        let deadline = Instant::now() + DEADLINE * 2;
        let enough = self.acknowledged.load(Ordering::SeqCst) + writes;
        while self.acknowledged.load(Ordering::SeqCst) < enough {
            assert!(Instant::now() < deadline, "writes are not acknowledged");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Writes until it is told to stop, or the server is gone; what was acknowledged.
async fn write(url: String, number: usize, progress: Arc<Progress>) -> Vec<(String, u64)> {
    let client = client();
    let mut written = Vec::new();
    for turn in number.. {
        if progress.stop.load(Ordering::SeqCst) {
            break;
        }
        let key = format!("k{}", turn % KEYS);
        match put(&client, &url, &key).await {
            Some(version) => {
                written.push((key, version));
                progress.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            None if client.get(format!("{url}/livez")).send().await.is_err() => break,
            None => {}
        }
    }
    written
}

/// What one watcher was told.
#[derive(Default)]
struct Told {
    seen: HashSet<(String, u64)>,
    newest: HashMap<String, u64>,
    repeated: usize,
    resumed: usize,
}

impl Told {
    fn event(&mut self, key: &str, version: u64) {
        if !self.seen.insert((key.to_owned(), version)) {
            self.repeated += 1;
            return;
        }
        let before = self.newest.insert(key.to_owned(), version);
        assert!(before < Some(version), "{key}: {version} after {before:?}");
    }
}

/// Watches at the first server, and from where that ends, at the second, until the last key is written.
async fn watch(urls: [String; 2]) -> Told {
    let client = client();
    let mut told = Told::default();
    let mut url = &urls[0];
    let mut stream = Watch::start(client.get(format!("{url}/watch"))).await;
    loop {
        let block = match stream.try_block().await {
            Ok(Some(block)) if block.event.as_deref() != Some("error") => block,
            _ended => {
                told.resumed += 1;
                url = &urls[1];
                let position = std::mem::take(&mut stream.position);
                let request = client.get(format!("{url}/watch"));
                stream = Watch::start(request.header("Last-Event-ID", position)).await;
                continue;
            }
        };
        if block.data.is_none() {
            continue;
        }
        let (event, key, version) = block.change();
        assert_eq!(event, "put");
        told.event(key, version);
        if key == END {
            return told;
        }
        if told.seen.len().is_multiple_of(20) {
            // A server that was just killed does not answer.
            let read = client.get(format!("{url}/kv/{key}")).send().await;
            if let Ok(answer) = read.and_then(reqwest::Response::error_for_status) {
                let read = self::version(&answer);
                assert!(
                    read >= Some(version),
                    "{key}: read {read:?} after {version}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_is_told_although_a_replica_is_killed() {
    let database = database();
    let mut cluster = Cluster::start(&[&database]).await;
    let resumed = every_write_is_told(cluster.urls(), || cluster.replicas[1].kill()).await;
    assert_eq!(resumed, WATCHERS / 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_write_is_told_although_a_standby_takes_over() {
    let primary = database();
    let standby = primary.start_standby(PostgresOptions::default());
    primary.wait_for_standby();
    let cluster = Cluster::start(&[&primary, &standby]).await;
    let fail_over = || {
        primary.kill();
        standby.promote();
    };
    let resumed = every_write_is_told(cluster.urls(), fail_over).await;
    assert_eq!(resumed, 0, "a watcher was told to go");
}

/// Writers and watchers at both servers, while something happens in between. How often a watcher had to go to the other
/// server.
async fn every_write_is_told(urls: [String; 2], happen: impl FnOnce()) -> usize {
    let other = [urls[1].clone(), urls[0].clone()];
    let mut watchers = JoinSet::new();
    for number in 0..WATCHERS {
        let urls = if number.is_multiple_of(2) {
            &urls
        } else {
            &other
        };
        watchers.spawn(watch(urls.clone()));
    }
    for url in &urls {
        until_watched(url, WATCHERS / 2).await;
    }
    let progress = Arc::new(Progress::default());
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let url = urls[number % 2].clone();
        writers.spawn(write(url, number, Arc::clone(&progress)));
    }
    progress.more(WRITES).await;
    happen();
    progress.more(WRITES).await;
    progress.stop.store(true, Ordering::SeqCst);
    let written = writers.join_all().await.concat();
    // Those that were not acknowledged may be there as well.
    assert!(put(&client(), &urls[0], END).await.is_some());
    let told = watchers.join_all().await;
    for told in &told {
        let missing = written.iter().filter(|write| !told.seen.contains(*write));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&(String, u64)>::new());
    }
    let resumed: usize = told.iter().map(|told| told.resumed).sum();
    let repeated: usize = told.iter().map(|told| told.repeated).sum();
    println!(
        "{} acknowledged writes, all told to {WATCHERS} watchers, {repeated} events twice",
        written.len()
    );
    resumed
}

async fn until_watched(url: &str, watchers: usize) {
    let deadline = Instant::now() + DEADLINE;
    let line = format!("kverse_watchers {watchers}");
    loop {
        let metrics = client().get(format!("{url}/metrics")).send().await;
        let metrics = metrics.unwrap().text().await.unwrap();
        if metrics.lines().any(|metric| metric == line) {
            return;
        }
        assert!(Instant::now() < deadline, "nobody watches {url}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_replica_writes_is_told_within_a_second() {
    const WRITES: usize = 50;
    let database = database();
    let cluster = Cluster::start(&[&database]).await;
    let urls = cluster.urls();
    let client = client();
    for (name, writer) in [("same", &urls[0]), ("other", &urls[1])] {
        let mut stream = Watch::start(client.get(format!("{}/watch", urls[0]))).await;
        let mut latencies = Vec::new();
        for _ in 0..WRITES {
            let written = put(&client, writer, "k").await;
            let acknowledged = Instant::now();
            let event = stream.event().await;
            latencies.push(acknowledged.elapsed());
            assert_eq!(Some(event.change().2), written);
        }
        latencies.sort();
        let (median, most) = (latencies[WRITES / 2], latencies[WRITES - 1]);
        println!(
            "from the answer to a write to its event, {name} replica: median {median:?}, most {most:?}"
        );
        assert!(most < Duration::from_secs(1), "{latencies:?}");
    }
}
