//! An acknowledged write is on disk: the server is killed at random moments and must come back with all of them.
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kverse_core::{Key, KvStore, KvStoreExt, Limits};
use kverse_store::http::{HttpOptions, HttpStore};
use rand::RngExt;
use reqwest::{Client, StatusCode};
use serde_json::json;

use crate::binary::{Process, program, sqlite};
use crate::common::{DEADLINE, client};

const ROUNDS: usize = 20;
const CONNECTIONS: usize = 16;

/// What the server has acknowledged for a key.
#[derive(Clone, Debug, PartialEq)]
enum Acknowledged {
    Value(String),
    Deleted,
    /// The last request of a connection was not answered: it may or may not have been done.
    Either(Box<Self>, Box<Self>),
}

type Ledger = HashMap<String, Acknowledged>;

async fn put(client: &Client, url: &str, key: &str, value: &str) -> bool {
    let body = json!({"key": key, "value": value});
    let answer = client.put(format!("{url}/kv")).json(&body).send().await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
}

async fn delete(client: &Client, url: &str, key: &str) -> bool {
    let answer = client.delete(format!("{url}/kv?key={key}")).send().await;
    answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
}

/// Writes keys of its own until the server is gone; each value is unique. A third of the keys is deleted again. Counts
/// what is acknowledged.
async fn write_until_killed(url: String, name: String, count: Arc<AtomicU64>) -> Ledger {
    let client = client();
    let mut ledger = Ledger::new();
    for number in 0_u32.. {
        // Every third request deletes the key that the one before it put.
        let deletes = number % 3 == 2;
        let slot = if deletes { number - 1 } else { number } % 500;
        let (key, value) = (format!("{name}/{slot}"), format!("{name}={number}"));
        let before = ledger.get(&key).cloned().unwrap_or(Acknowledged::Deleted);
        let (after, done) = if deletes {
            (Acknowledged::Deleted, delete(&client, &url, &key).await)
        } else {
            (
                Acknowledged::Value(value.clone()),
                put(&client, &url, &key, &value).await,
            )
        };
        if !done {
            ledger.insert(key, Acknowledged::Either(Box::new(before), Box::new(after)));
            break;
        }
        ledger.insert(key, after);
        count.fetch_add(1, Ordering::Relaxed);
    }
    ledger
}

fn holds(acknowledged: &Acknowledged, found: Option<&str>) -> bool {
    match acknowledged {
        Acknowledged::Value(value) => found == Some(value),
        Acknowledged::Deleted => found.is_none(),
        Acknowledged::Either(before, after) => holds(before, found) || holds(after, found),
    }
}

fn open(url: &str) -> HttpStore {
    HttpStore::new(url.parse().unwrap(), HttpOptions::default()).unwrap()
}

/// The writes that the server no longer has.
async fn lost(url: &str, ledger: &Ledger) -> Vec<String> {
    let store = open(url);
    let mut lost = Vec::new();
    let entries: Vec<_> = ledger.iter().collect();
    for chunk in entries.chunks(Limits::default().max_batch_operations) {
        let keys: Vec<Key> = chunk.iter().map(|(key, _)| key.parse().unwrap()).collect();
        for ((key, acknowledged), found) in chunk.iter().zip(store.read(&keys).await.unwrap()) {
            let value = found
                .entry
                .map(|entry| String::from_utf8(entry.value.into()).unwrap());
            if !holds(acknowledged, value.as_deref()) {
                lost.push(format!("{key}: {acknowledged:?}, found {value:?}"));
            }
        }
    }
    lost
}

async fn round(database: &Path, number: usize, ledger: &mut Ledger) {
    let mut server = Process::start_on(database);
    let count = Arc::new(AtomicU64::new(0));
    let writers: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let name = format!("{number}/{connection}");
            write_until_killed(server.url(), name, Arc::clone(&count))
        })
        .map(tokio::spawn)
        .collect();
    // Counted in writes, not in time: a busy machine does few of them in any time.
    let enough = rand::rng().random_range(100..1000);
    let deadline = Instant::now() + DEADLINE;
    while count.load(Ordering::Relaxed) < enough {
        assert!(Instant::now() < deadline, "the writes take too long");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.kill();
    for writer in writers {
        ledger.extend(writer.await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_when_the_server_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("kverse.db");
    let mut ledger = Ledger::new();
    for number in 0..ROUNDS {
        round(&database, number, &mut ledger).await;
        let server = Process::start_on(&database);
        let lost = lost(&server.url(), &ledger).await;
        assert!(
            lost.is_empty(),
            "round {number}, {} of {}: {lost:#?}",
            lost.len(),
            ledger.len()
        );
    }
    let (deleted, put): (Vec<_>, Vec<_>) = ledger
        .values()
        .partition(|acknowledged| **acknowledged == Acknowledged::Deleted);
    println!(
        "{ROUNDS} kills, {} puts and {} deletes checked, none lost",
        put.len(),
        deleted.len()
    );
    assert!(
        put.len() > 200 && deleted.len() > 100,
        "too few writes to mean anything"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_leaves_a_lock_that_does_not_keep_the_next_one_out() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("kverse.db");
    let mut server = Process::start_on(&database);
    let store = open(&server.url());
    let key: Key = "key".parse().unwrap();
    store.put(&key, "value").await.unwrap();
    server.kill();
    let server = Process::start_on(&database);
    let store = open(&server.url());
    assert_eq!(store.get(&key).await.unwrap().unwrap().value, "value");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_the_same_file_refuses_to_start_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("kverse.db");
    let first = Process::start_on(&database);
    let second = program(&sqlite(&database)).output().unwrap();
    let message = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(6), "{message}");
    for part in ["kverse.db", "in use", &first.id().to_string()] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}
