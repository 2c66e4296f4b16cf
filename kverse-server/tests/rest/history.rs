//! What clients see of a server that is killed and started again has an order that explains it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kverse_core::testing::history::{Action, Answer, History};
use kverse_core::{ErrorKind, Key, KvStoreExt, Precondition, Result, Write, WriteOutcome};
use kverse_store::http::{HttpOptions, HttpStore};

use crate::binary::Process;
use crate::common::DEADLINE;

const CLIENTS: usize = 12;
const KEYS: usize = 4;
const KILLS: usize = 5;

fn written(result: &Result<WriteOutcome>) -> Answer {
    match result {
        Ok(outcome) => Answer::Written(outcome.version),
        Err(error) if error.kind() == ErrorKind::PreconditionFailed => Answer::NotWritten,
        Err(_) => Answer::Unknown,
    }
}

/// Reads and writes random keys until it is told to stop; every value is unique.
async fn client(store: HttpStore, name: usize, history: Arc<History>, stop: Arc<AtomicBool>) {
    for number in 0_u32.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let key: Key = format!("key{}", rand::random_range(0..KEYS))
            .parse()
            .unwrap();
        let value = format!("{name}/{number}");
        let began = history.now();
        let (action, answer) = match rand::random_range(0..10) {
            0 => (
                Action::Delete,
                written(&store.write_one(Write::delete(key.clone())).await),
            ),
            1 => {
                let create =
                    Write::put(key.clone(), value.clone()).with_precondition(Precondition::Absent);
                (
                    Action::Put(value, Precondition::Absent),
                    written(&store.write_one(create).await),
                )
            }
            2 | 3 => {
                let put = store.put(&key, value.clone()).await;
                (Action::Put(value, Precondition::None), written(&put))
            }
            _ => match store.get(&key).await {
                Ok(Some(entry)) => {
                    let value = String::from_utf8(entry.value.into()).unwrap();
                    (Action::Get, Answer::Found(value, entry.version))
                }
                Ok(None) => (Action::Get, Answer::Absent),
                Err(_) => (Action::Get, Answer::Unknown),
            },
        };
        history.record(&key, action, began, answer);
    }
}

/// Waits for so many more operations. A busy machine does few of them in any time.
async fn grows(history: &History, by: usize) {
    let enough = history.len() + by;
    let deadline = Instant::now() + DEADLINE;
    while history.len() < enough {
        assert!(Instant::now() < deadline, "the operations take too long");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_a_server_that_is_killed_is_linearizable() {
    let directory = tempfile::tempdir().unwrap();
    let database = directory.path().join("kverse.db");
    let mut server = Process::start_on(&database);
    let (history, stop) = (
        Arc::new(History::default()),
        Arc::new(AtomicBool::new(false)),
    );
    let clients: Vec<_> = (0..CLIENTS)
        .map(|name| {
            let url = server.url().parse().unwrap();
            let store = HttpStore::new(url, HttpOptions::default()).unwrap();
            tokio::spawn(client(store, name, Arc::clone(&history), Arc::clone(&stop)))
        })
        .collect();
    for _ in 0..KILLS {
        grows(&history, rand::random_range(200..600)).await;
        server.kill();
        server = Process::restart_on(&database, server.address);
    }
    grows(&history, 200).await;
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let violations = history.violations();
    println!(
        "{} operations, {KILLS} kills, {} violations",
        history.len(),
        violations.len()
    );
    assert!(
        history.len() > 500,
        "too few operations to mean anything: {}",
        history.len()
    );
    assert!(violations.is_empty(), "{violations:#?}");
}
