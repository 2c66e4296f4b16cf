//! A bank: transfers between accounts never change the sum of them all, for nobody who reads it in a transaction.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kverse_core::{
    ErrorKind, Key, KvStore, KvStoreExt, Operation, OperationOutcome, Precondition, Version, Write,
};
use kverse_store::http::{HttpOptions, HttpStore};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::cluster::Cluster;

const ACCOUNTS: usize = 6;
const BALANCE: i64 = 100;
const PATIENCE: Duration = Duration::from_secs(100);

/// An account, and the last version of it that a transaction has acknowledged.
struct Account {
    key: Key,
    acknowledged: AtomicU64,
}

/// Those who move money and those who look, until they are told to stop.
pub(crate) struct Bank {
    books: Arc<Books>,
    tasks: Vec<JoinHandle<()>>,
}

struct Books {
    accounts: Vec<Account>,
    /// By the replica.
    transfers: Vec<AtomicUsize>,
    sums: Vec<AtomicUsize>,
    violations: Mutex<Vec<String>>,
    stop: AtomicBool,
}

/// One who uses a replica.
struct Customer {
    books: Arc<Books>,
    replica: usize,
    store: HttpStore,
    raw: reqwest::Client,
    url: String,
    random: StdRng,
}

impl Bank {
    /// Opens accounts and sets customers to work on the servers at these URLs.
    pub(crate) async fn open(urls: Vec<String>, seed: u64) -> Self {
        let account = |number| Account {
            key: format!("account/{seed:x}/{number}").parse().unwrap(),
            acknowledged: AtomicU64::new(0),
        };
        let books = Arc::new(Books {
            accounts: (0..ACCOUNTS).map(account).collect(),
            transfers: urls.iter().map(|_| AtomicUsize::default()).collect(),
            sums: urls.iter().map(|_| AtomicUsize::default()).collect(),
            violations: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let mut tasks = Vec::new();
        for (replica, url) in urls.iter().enumerate() {
            for number in 0..6 {
                let options = HttpOptions::default().with_request_timeout(Duration::from_secs(15));
                let customer = Customer {
                    books: Arc::clone(&books),
                    replica,
                    store: HttpStore::new(url.parse().unwrap(), options).unwrap(),
                    raw: reqwest::Client::builder().no_proxy().build().unwrap(),
                    url: url.clone(),
                    random: StdRng::seed_from_u64(seed ^ (replica as u64) << 32 ^ number),
                };
                if tasks.is_empty() {
                    customer.deposit().await;
                }
                tasks.push(match number % 3 {
                    0 => tokio::spawn(customer.transfer_on_and_on()),
                    1 => tokio::spawn(customer.add_up_on_and_on()),
                    _ => tokio::spawn(customer.look_on_and_on()),
                });
            }
        }
        Self { books, tasks }
    }

    /// Waits until each replica has done so many more transfers and sums, or something is wrong.
    pub(crate) async fn all_go_on(&self, more: usize) {
        let books = &self.books;
        let counts = || books.transfers.iter().chain(&books.sums);
        let counts = || counts().map(|count| count.load(Ordering::SeqCst));
        let until: Vec<_> = counts().map(|count| count + more).collect();
        let deadline = Instant::now() + PATIENCE;
        while counts().zip(&until).any(|(count, until)| count < *until) && self.is_right() {
            assert!(Instant::now() < deadline, "nobody gets on");
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn is_right(&self) -> bool {
        self.books.violations.lock().unwrap().is_empty()
    }

    /// What went wrong.
    pub(crate) async fn close(self) -> Vec<String> {
        self.books.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.unwrap();
        }
        std::mem::take(&mut *self.books.violations.lock().unwrap())
    }
}

impl Books {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    fn wrong(&self, what: String) {
        self.violations.lock().unwrap().push(what);
    }
}

fn balance(value: &[u8]) -> i64 {
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

impl Customer {
    /// What every account has in the beginning.
    async fn deposit(&self) {
        let put = |account: &Account| {
            Operation::Write(Write::put(account.key.clone(), BALANCE.to_string()))
        };
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self
            .store
            .transact(self.books.accounts.iter().map(put).collect())
            .await
        {
            assert!(Instant::now() < deadline, "no deposit: {error}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn any(&mut self) -> usize {
        self.random.random_range(0..ACCOUNTS)
    }

    async fn pause(&mut self) {
        let pause = self.random.random_range(0..5);
        sleep(Duration::from_millis(pause)).await;
    }

    async fn transfer_on_and_on(mut self) {
        while self.books.goes_on() {
            let (from, to) = (self.any(), self.any());
            if from != to {
                self.transfer(from, to).await;
            }
            self.pause().await;
        }
    }

    /// Moves money, if nobody else has moved any since it was read.
    async fn transfer(&mut self, from: usize, to: usize) {
        let accounts = [from, to].map(|number| &self.books.accounts[number]);
        let amount = self.random.random_range(1..20);
        let mut operations = Vec::new();
        for (account, change) in accounts.iter().zip([-amount, amount]) {
            let Ok(Some(entry)) = self.store.get(&account.key).await else {
                return;
            };
            let put = Write::put(
                account.key.clone(),
                (balance(&entry.value) + change).to_string(),
            );
            let unchanged = Precondition::Version(entry.version);
            operations.push(Operation::Write(put.with_precondition(unchanged)));
        }
        let Ok(outcomes) = self.store.transact(operations).await else {
            return;
        };
        for (account, outcome) in accounts.iter().zip(outcomes) {
            if let OperationOutcome::Write(outcome) = outcome {
                let version = outcome.version.get();
                account.acknowledged.fetch_max(version, Ordering::SeqCst);
            }
        }
        self.books.transfers[self.replica].fetch_add(1, Ordering::SeqCst);
    }

    async fn add_up_on_and_on(mut self) {
        while self.books.goes_on() {
            self.add_up().await;
            self.pause().await;
        }
    }

    /// Reads all accounts at one point in time.
    async fn add_up(&self) {
        let get = |account: &Account| Operation::Get {
            key: account.key.clone(),
            precondition: Precondition::Exists,
        };
        let operations = self.books.accounts.iter().map(get).collect();
        let outcomes = match self.store.transact(operations).await {
            Ok(outcomes) => outcomes,
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Conflict, "an account is gone");
                return;
            }
        };
        let balances: Vec<_> = outcomes
            .iter()
            .map(|outcome| match outcome {
                OperationOutcome::Get(Some(entry)) => balance(&entry.value),
                other => panic!("no account: {other:?}"),
            })
            .collect();
        if balances.iter().sum::<i64>() != BALANCE * ACCOUNTS as i64 {
            let replica = self.replica;
            self.books.wrong(format!(
                "replica {replica}: the sum of {balances:?} is wrong"
            ));
        }
        self.books.sums[self.replica].fetch_add(1, Ordering::SeqCst);
    }

    async fn look_on_and_on(mut self) {
        while self.books.goes_on() {
            let account = self.any();
            self.look(account).await;
            self.pause().await;
        }
    }

    /// Reads one account as most do: through the cache.
    async fn look(&self, number: usize) {
        let account = &self.books.accounts[number];
        let least = Version::new(account.acknowledged.load(Ordering::SeqCst));
        let url = format!("{}/kv/{}", self.url, account.key);
        let Ok(response) = self.raw.get(url).send().await else {
            return;
        };
        if response.status() == 404 {
            self.books.wrong(format!("{} is gone", account.key));
        }
        if response.status() != 200 {
            return;
        }
        let version = response.headers()["etag"].to_str().unwrap();
        let version: Version = version.trim_matches('"').parse().unwrap();
        if version < least {
            let (key, replica) = (&account.key, self.replica);
            self.books.wrong(format!(
                "replica {replica}: {key} has {version} after {least}"
            ));
        }
    }
}

/// Transfers on two replicas with a shared cache, one of which is killed in between.
pub(crate) async fn keep_the_sum(cluster: &mut Cluster, seed: u64) {
    const ENOUGH: usize = 100;
    let bank = Bank::open(cluster.urls(), seed).await;
    bank.all_go_on(ENOUGH).await;
    cluster.replicas[1].kill();
    sleep(Duration::from_millis(500)).await;
    cluster.replicas[1].start_again().await;
    bank.all_go_on(ENOUGH).await;
    let violations = bank.close().await;
    assert!(violations.is_empty(), "{violations:#?}");
}
