//! Readers and writers of a few keys on all replicas at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kverse_core::testing::history::{Answer, History, Violation};
use kverse_core::{Key, Precondition, Version};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;

use crate::client::{Client, Counts};

/// How much the clients do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) keys: usize,
    /// Bytes of padding in each value.
    pub(crate) padding: usize,
    /// Clients of each replica.
    pub(crate) clients: usize,
    /// The longest pause of a client between two operations, in ms.
    pub(crate) pause_ms: u64,
}

impl Load {
    /// Much to do with few keys.
    pub(crate) const CONTENTION: Self = Self {
        keys: 2,
        padding: 0,
        clients: 4,
        pause_ms: 2,
    };
}

impl Default for Load {
    fn default() -> Self {
        Self {
            keys: 6,
            padding: 20,
            clients: 4,
            pause_ms: 12,
        }
    }
}

/// Clients at work, until they are told to stop, or this is dropped.
pub(crate) struct Workload {
    pub(crate) clients: Vec<Arc<Client>>,
    pub(crate) history: Arc<History>,
    pub(crate) keys: Arc<[Key]>,
    /// A key that the workload leaves alone.
    pub(crate) spare: Key,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Workload {
    /// Longer than it takes until all is well again: a replica that was killed counts as alive for a minute.
    const PATIENCE: Duration = Duration::from_secs(100);

    /// Starts clients of the servers at these URLs. The keys are those of this seed, which nobody used before.
    pub(crate) fn start(urls: Vec<String>, load: Load, seed: u64) -> Self {
        let history = Arc::new(History::default());
        let key = |name: String| format!("{seed:x}-{name}").parse::<Key>().unwrap();
        let keys: Arc<[Key]> = (0..load.keys).map(|key| key.to_string()).map(key).collect();
        let client = |url| Arc::new(Client::new(url, Arc::clone(&history), load.padding));
        let clients: Vec<_> = urls.into_iter().map(client).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for (replica, client) in clients.iter().enumerate() {
            for number in 0..load.clients {
                let actor = Actor {
                    client: Arc::clone(client),
                    keys: Arc::clone(&keys),
                    seen: vec![None; load.keys],
                    name: format!("{replica}.{number}"),
                    random: StdRng::seed_from_u64(seed ^ (tasks.len() as u64) << 48),
                };
                tasks.push(tokio::spawn(actor.run(load.pause_ms, Arc::clone(&stop))));
            }
        }
        Self {
            spare: key("spare".to_owned()),
            clients,
            history,
            keys,
            stop,
            tasks,
        }
    }

    pub(crate) fn totals(&self) -> Counts {
        let counts = self.clients.iter().map(|client| client.counts());
        counts.fold(Counts::default(), |a, b| Counts {
            hits: a.hits + b.hits,
            writes: a.writes + b.writes,
            failed_reads: a.failed_reads + b.failed_reads,
        })
    }

    /// Waits until each replica has served so many more hits and has done as many more writes, without help; how long that
    /// took.
    pub(crate) async fn all_serve(&self, more: usize) -> Duration {
        self.progress(&self.clients, |before, now| {
            now.hits >= before.hits + more && now.writes >= before.writes + more
        })
        .await
    }

    /// Waits until all replicas but the first have served a few more hits and done a few more writes.
    pub(crate) async fn others_serve(&self) {
        const FEW: usize = 5;
        self.progress(&self.clients[1..], |before, now| {
            now.hits >= before.hits + FEW && now.writes >= before.writes + FEW
        })
        .await;
    }

    /// Waits until each replica has done so many more writes.
    pub(crate) async fn all_write(&self, more: usize) -> Duration {
        self.progress(&self.clients, |before, now| {
            now.writes >= before.writes + more
        })
        .await
    }

    async fn progress(
        &self,
        clients: &[Arc<Client>],
        is_enough: impl Fn(&Counts, &Counts) -> bool,
    ) -> Duration {
        let began = Instant::now();
        let before: Vec<Counts> = clients.iter().map(|client| client.counts()).collect();
        loop {
            let now: Vec<Counts> = clients.iter().map(|client| client.counts()).collect();
            if before.iter().zip(&now).all(|(a, b)| is_enough(a, b)) {
                return began.elapsed();
            }
            assert!(
                began.elapsed() < Self::PATIENCE,
                "the service is not well without help: {before:?}, then {now:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends the clients, reads each key once more from each replica, and says what cannot be explained.
    pub(crate) async fn finish(mut self) -> Vec<Violation> {
        self.stop.store(true, Ordering::SeqCst);
        for task in std::mem::take(&mut self.tasks) {
            task.await.unwrap();
        }
        for client in &self.clients {
            for key in self.keys.iter() {
                let (answer, _) = client.get(key).await;
                assert_ne!(answer, Answer::Unknown, "the last read of {key} fails");
            }
        }
        self.history.violations()
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// One client at work.
struct Actor {
    client: Arc<Client>,
    keys: Arc<[Key]>,
    /// The version of each key that it has read last.
    seen: Vec<Option<Version>>,
    name: String,
    random: StdRng,
}

impl Actor {
    async fn run(mut self, pause_ms: u64, stop: Arc<AtomicBool>) {
        for number in 0_u32.. {
            if stop.load(Ordering::SeqCst) {
                break;
            }
            self.act(number).await;
            let pause = self.random.random_range(0..=pause_ms * 1000);
            tokio::time::sleep(Duration::from_micros(pause)).await;
        }
    }

    async fn act(&mut self, number: u32) {
        let index = self.random.random_range(0..self.keys.len());
        let key = self.keys[index].clone();
        let identity = format!("{}/{number}", self.name);
        let unchanged = self.seen[index].map_or(Precondition::Absent, Precondition::Version);
        let client = &self.client;
        match self.random.random_range(0..20) {
            0 => client.delete(&key).await,
            1 => {
                client.put(&key, identity, Precondition::Absent).await;
            }
            2 => {
                client.put(&key, identity, unchanged).await;
            }
            3 => client.put_json(&key, identity, unchanged).await,
            4 => {
                let other = self.keys[(index + 1) % self.keys.len()].clone();
                let puts = vec![
                    (key, format!("{identity}a")),
                    (other, format!("{identity}b")),
                ];
                client.put_all(puts).await;
            }
            5 | 6 => {
                client.put(&key, identity, Precondition::None).await;
            }
            _ => {
                if let (Answer::Found(_, version), _) = client.get(&key).await {
                    self.seen[index] = Some(version);
                }
            }
        }
    }
}
