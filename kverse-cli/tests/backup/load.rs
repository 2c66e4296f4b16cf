//! Clients that write while a backup is made, and what must be in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kverse_core::{Entry, Expiry, Key, KvStore, KvStoreExt, Operation, PutOptions, Write};
use kverse_store::{StoreConfig, open};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

const WRITERS: u64 = 4;
const SLOTS: u64 = 40;

pub(crate) fn key(text: impl std::fmt::Display) -> Key {
    text.to_string().parse().unwrap()
}

/// Opens a store, cached by this Redis if one is given.
pub(crate) async fn store(url: &str, redis: Option<&str>) -> Arc<dyn KvStore> {
    let redis = redis.map(|url| url.parse().unwrap());
    let config = StoreConfig::new(url.parse().unwrap()).with_redis_url(redis);
    open(&config).await.unwrap()
}

/// What the backup must have.
pub(crate) struct Expected {
    /// How many rounds each writer had done when it began.
    rounds: Vec<u64>,
    /// Entries that nobody wrote meanwhile.
    entries: Vec<(Key, Option<Entry>)>,
}

/// Clients at work. Round N of a writer puts N under two keys at once, and then under one of its slots.
pub(crate) struct Load {
    runtime: Runtime,
    stores: Vec<Arc<dyn KvStore>>,
    done: Vec<Arc<AtomicU64>>,
    stop: Arc<AtomicBool>,
    writers: Vec<JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(urls: &[&str]) -> Self {
        let runtime = Runtime::new().unwrap();
        let open = async |url| store(url, None).await;
        let stores: Vec<_> = urls.iter().map(|url| runtime.block_on(open(url))).collect();
        runtime.block_on(put_special(&*stores[0]));
        let mut load = Self {
            runtime,
            stores,
            done: Vec::new(),
            stop: Arc::default(),
            writers: Vec::new(),
        };
        for writer in 0..WRITERS {
            let store = &load.stores[writer as usize % load.stores.len()];
            let (store, stop, done) = (Arc::clone(store), Arc::clone(&load.stop), Arc::default());
            load.done.push(Arc::clone(&done));
            let writing = write(store, writer, stop, done);
            load.writers.push(load.runtime.spawn(writing));
        }
        load.go_on();
        load
    }

    /// Waits until each writer has done some more rounds.
    pub(crate) fn go_on(&self) {
        let goal: Vec<u64> = self.rounds().iter().map(|done| done + SLOTS).collect();
        let deadline = Instant::now() + Duration::from_secs(60);
        while self
            .rounds()
            .iter()
            .zip(&goal)
            .any(|(now, goal)| now < goal)
        {
            assert!(Instant::now() < deadline, "{:?} of {goal:?}", self.rounds());
            assert!(!self.writers.iter().any(JoinHandle::is_finished));
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn rounds(&self) -> Vec<u64> {
        let done = |done: &Arc<AtomicU64>| done.load(Ordering::SeqCst);
        self.done.iter().map(done).collect()
    }

    /// What a backup must have that begins now.
    pub(crate) fn expected(&self) -> Expected {
        let read = async |name: &str| (key(name), self.stores[0].get(&key(name)).await.unwrap());
        let entries = SPECIAL.map(|name| self.runtime.block_on(read(name)));
        Expected {
            rounds: self.rounds(),
            entries: entries.into(),
        }
    }

    /// Writes what a backup that was made before does not have, and reads it, so that it is in the cache if there is one.
    pub(crate) fn put_new(&self) {
        self.runtime.block_on(async {
            for store in &self.stores {
                store.put(&key(NEW), "new").await.unwrap();
                for _ in 0..3 {
                    assert!(store.get(&key(NEW)).await.unwrap().is_some());
                }
            }
        });
    }

    pub(crate) fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.runtime.block_on(async {
            for writer in self.writers {
                writer.await.unwrap();
            }
        });
    }
}

const NEW: &str = "written after the backup";
const SPECIAL: [&str; 5] = ["bytes", "typed", "ends", "gone", "a//b/../\u{e9}\n"];

async fn put_special(store: &dyn KvStore) {
    let bytes: Vec<u8> = (0..=255).collect();
    store.put(&key("bytes"), bytes).await.unwrap();
    let typed = PutOptions::default().with_content_type(Some("image/png".parse().unwrap()));
    store.put_opts(&key("typed"), "", typed).await.unwrap();
    let hour = Expiry::After(Duration::from_secs(3600));
    let ends = PutOptions::default().with_expiry(hour);
    store.put_opts(&key("ends"), "soon", ends).await.unwrap();
    store.put(&key("gone"), "not for long").await.unwrap();
    store.delete(&key("gone")).await.unwrap();
    store.put(&key(SPECIAL[4]), "odd").await.unwrap();
}

async fn write(store: Arc<dyn KvStore>, writer: u64, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) {
    for round in 1.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let put = |name: &str| {
            let put = Write::put(key(format_args!("{writer}/{name}")), round.to_string());
            Operation::Write(put)
        };
        store
            .transact(vec![put("left"), put("right")])
            .await
            .unwrap();
        let slot = key(format_args!("{writer}/slot/{}", round % SLOTS));
        store.put(&slot, round.to_string()).await.unwrap();
        done.store(round, Ordering::SeqCst);
    }
}

/// What a backup may have lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    /// Nothing: it is a state that the store once had.
    Snapshot,
    /// The versions, and which writes happened together.
    Entries,
}

impl Expected {
    /// Asserts that a restored store has everything.
    pub(crate) async fn is_in(&self, store: &dyn KvStore, quality: Quality) {
        for (key, expected) in &self.entries {
            let mut found = store.get(key).await.unwrap();
            if let (Some(found), Some(expected)) = (&mut found, expected)
                && quality == Quality::Entries
            {
                found.version = expected.version;
            }
            assert_eq!(&found, expected, "{key:?}");
        }
        for (writer, rounds) in self.rounds.iter().enumerate() {
            let number = async |name: &str| {
                let entry = store.get(&key(format_args!("{writer}/{name}"))).await;
                let entry = entry
                    .unwrap()
                    .unwrap_or_else(|| panic!("no {writer}/{name}"));
                let text = String::from_utf8(entry.value.to_vec()).unwrap();
                text.parse::<u64>().unwrap()
            };
            let (left, right) = (number("left").await, number("right").await);
            assert!(
                left >= *rounds && right >= *rounds,
                "{left} {right} {rounds}"
            );
            let mut latest = 0;
            for slot in 0..SLOTS {
                let found = number(&format!("slot/{slot}")).await;
                let acknowledged = rounds - (rounds + SLOTS - slot) % SLOTS;
                assert!(found >= acknowledged, "{slot}: {found} {acknowledged}");
                latest = latest.max(found);
            }
            if quality == Quality::Snapshot {
                assert_eq!(left, right, "a transaction is torn");
                assert!(latest == left || latest + 1 == left, "{latest} {left}");
            }
        }
        assert_eq!(store.get(&key(NEW)).await.unwrap(), None);
    }
}
