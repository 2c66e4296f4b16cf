//! Writers, readers and a database, whose steps are chosen one by one, on a cache and on its reference.

use std::sync::atomic::{AtomicU64, Ordering};

use kverse_core::cached::{CacheError, EpochCache, FetchFailed, Fill, Finish, Lease, Lookup};
use kverse_core::{Entry, Key, Version};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::behind::Behind;
use crate::common::{LONG, entry, key};
use crate::reference::State;

pub(crate) const KEYS: usize = 2;

/// A step of one of three writers, three readers, or the world.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Mark, then commit, then finish. The bits of the second number are the keys.
    Write(usize, usize),
    /// Instead of finishing, report that the outcome is unknown.
    LoseOutcome(usize),
    /// Instead of caching what was committed, only report that it was.
    NotCached(usize),
    /// Instead of committing, finish as not done.
    RollBack(usize),
    /// Renew the markers of what is in flight, which may have lapsed.
    Renew(usize),
    /// Forget everything, without finishing.
    Die(usize),
    /// The markers of this writer, alive or dead, lapse. It cannot commit any more.
    Lapse(usize),
    /// Look the key up, then fetch, then fill.
    Read(usize, usize),
    /// Instead of filling in, give the lease back.
    FailToRead(usize),
    /// The memory is full, or a lease ends.
    Evict(usize),
    /// A new epoch.
    Flush,
}

/// Whether a writer whose marker has lapsed can still commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    Kept,
    Broken,
}

#[derive(Default)]
enum Writer {
    #[default]
    Idle,
    Marked(u64, Vec<usize>),
    Committed(u64, Vec<(usize, Version)>),
}

#[derive(Default)]
enum Reader {
    #[default]
    Idle,
    Leased(usize, Lease),
    Fetched(usize, Lease, Option<Entry>),
}

struct World<'a> {
    cache: &'a dyn EpochCache,
    /// To reach behind the cache, if it is Redis.
    admin: Option<&'a Behind<'a>>,
    epoch: u64,
    fence: Fence,
    names: [Key; KEYS],
    reference: [State; KEYS],
    database: [Option<Entry>; KEYS],
    committed: [Version; KEYS],
    writers: [Writer; 3],
    readers: [Reader; 3],
    /// The attempts of each writer that were not finished.
    unfinished: [Vec<u64>; 3],
}

static NEXT: AtomicU64 = AtomicU64::new(1);

fn next() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Takes the steps; an error tells what went wrong.
pub(crate) async fn run(
    cache: &dyn EpochCache,
    admin: Option<&Behind<'_>>,
    fence: Fence,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let epoch = next();
    cache.open_epoch(epoch).await.unwrap();
    let mut world = World {
        cache,
        admin,
        epoch,
        fence,
        names: [key("a"), key("b")],
        reference: Default::default(),
        database: Default::default(),
        committed: Default::default(),
        writers: Default::default(),
        readers: Default::default(),
        unfinished: Default::default(),
    };
    for step in steps {
        world.step(*step).await?;
    }
    Ok(())
}

impl World<'_> {
    async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Write(writer, keys) => {
                self.writers[writer] = match std::mem::take(&mut self.writers[writer]) {
                    Writer::Idle => {
                        let keys = (0..KEYS).filter(|key| keys & 1 << key != 0).collect();
                        let attempt = next();
                        self.mark(attempt, &keys).await;
                        self.unfinished[writer].push(attempt);
                        Writer::Marked(attempt, keys)
                    }
                    Writer::Marked(attempt, keys) => {
                        let commits = keys.into_iter().map(|key| (key, self.commit(key)));
                        Writer::Committed(attempt, commits.collect())
                    }
                    Writer::Committed(attempt, commits) => {
                        let outcomes = commits.into_iter().map(|(key, version)| {
                            let found = held(version);
                            (key, Finish::Done(version, found))
                        });
                        self.finish(writer, attempt, outcomes.collect()).await;
                        Writer::Idle
                    }
                }
            }
            Step::LoseOutcome(writer) => {
                if let Writer::Committed(attempt, commits) = &self.writers[writer] {
                    // A marker in the process has no deadline: it ends now.
                    let keys = commits.iter().map(|(key, _)| (*key, Finish::Unknown));
                    let (attempt, keys) = (*attempt, keys.collect());
                    self.writers[writer] = Writer::Idle;
                    if self.admin.is_some() {
                        self.finish(writer, attempt, keys).await;
                        self.unfinished[writer].push(attempt);
                    } else {
                        self.finish_unknown_in_process(attempt, keys).await;
                    }
                }
            }
            Step::NotCached(writer) => {
                if let Writer::Committed(attempt, commits) = &self.writers[writer] {
                    let commits = commits.iter();
                    let keys = commits.map(|(key, version)| (*key, Finish::Uncached(*version)));
                    let (attempt, keys) = (*attempt, keys.collect());
                    self.writers[writer] = Writer::Idle;
                    self.finish(writer, attempt, keys).await;
                }
            }
            Step::RollBack(writer) => {
                if let Writer::Marked(attempt, keys) = &self.writers[writer] {
                    let keys = keys.iter().map(|key| (*key, Finish::NotDone));
                    let (attempt, keys) = (*attempt, keys.collect());
                    self.writers[writer] = Writer::Idle;
                    self.finish(writer, attempt, keys).await;
                }
            }
            // Without deadlines there is nothing to renew.
            Step::Renew(_) if self.admin.is_none() => {}
            Step::Renew(writer) => {
                let (attempt, keys) = match &self.writers[writer] {
                    Writer::Idle => return Ok(()),
                    Writer::Marked(attempt, keys) => (*attempt, keys.clone()),
                    // It has committed but does not know yet.
                    Writer::Committed(attempt, commits) => {
                        let keys = commits.iter().map(|(key, _)| *key);
                        (*attempt, keys.collect())
                    }
                };
                self.renew(attempt, &keys).await;
            }
            Step::Die(writer) => self.writers[writer] = Writer::Idle,
            Step::Lapse(writer) => self.lapse(writer),
            Step::Read(reader, key) => self.read(reader, key).await?,
            Step::FailToRead(reader) => {
                if let Reader::Leased(key, lease) = self.readers[reader] {
                    self.readers[reader] = Reader::Idle;
                    self.fill(key, lease, Err(FetchFailed)).await;
                }
            }
            Step::Evict(key) => self.evict(key),
            Step::Flush => self.flush().await,
        }
        Ok(())
    }

    fn commit(&mut self, key: usize) -> Version {
        let version = Version::new(next());
        self.database[key] = held(version);
        self.committed[key] = version;
        version
    }

    async fn mark(&mut self, attempt: u64, keys: &Vec<usize>) {
        let names: Vec<Key> = keys.iter().map(|key| self.names[*key].clone()).collect();
        self.cache
            .mark(self.epoch, &names, attempt, LONG)
            .await
            .unwrap();
        for key in keys {
            self.reference[*key].mark(attempt);
        }
    }

    async fn renew(&mut self, attempt: u64, keys: &[usize]) {
        let names: Vec<Key> = keys.iter().map(|key| self.names[*key].clone()).collect();
        let renewed = self.cache.renew(self.epoch, &names, attempt, LONG).await;
        renewed.unwrap();
        for key in keys {
            self.reference[*key].renew(attempt);
        }
    }

    async fn finish(&mut self, writer: usize, attempt: u64, outcomes: Vec<(usize, Finish)>) {
        self.unfinished[writer].retain(|other| *other != attempt);
        for (key, outcome) in &outcomes {
            self.reference[*key].finish(attempt, outcome);
        }
        let named = outcomes
            .into_iter()
            .map(|(key, outcome)| (self.names[key].clone(), outcome));
        let named = named.collect();
        self.cache.finish(self.epoch, attempt, named).await.unwrap();
    }

    /// As a write that was not done, and taints.
    async fn finish_unknown_in_process(&mut self, attempt: u64, outcomes: Vec<(usize, Finish)>) {
        for (key, _) in &outcomes {
            let state = &mut self.reference[*key];
            if let State::Marked { tainted, .. } = state {
                *tainted = true;
            }
            state.finish(attempt, &Finish::NotDone);
        }
        let named = outcomes
            .into_iter()
            .map(|(key, outcome)| (self.names[key].clone(), outcome));
        let named = named.collect();
        self.cache.finish(self.epoch, attempt, named).await.unwrap();
    }

    async fn read(&mut self, reader: usize, key: usize) -> Result<(), TestCaseError> {
        self.readers[reader] = match std::mem::take(&mut self.readers[reader]) {
            Reader::Idle => {
                let names = std::slice::from_ref(&self.names[key]);
                let found = self
                    .cache
                    .lookup(self.epoch, names)
                    .await
                    .unwrap()
                    .remove(0);
                let expected = self.reference[key].lookup(&found);
                prop_assert_eq!(&found, &expected, "as the reference");
                match found {
                    Lookup::Hit(hit) => {
                        let is_fresh = hit == self.database[key];
                        let committed = self.committed[key];
                        prop_assert!(is_fresh, "stale: {:?} after {:?}", hit, committed);
                        Reader::Idle
                    }
                    Lookup::Miss(lease) => Reader::Leased(key, lease),
                    _ => Reader::Idle,
                }
            }
            Reader::Leased(key, lease) => Reader::Fetched(key, lease, self.database[key].clone()),
            Reader::Fetched(key, lease, found) => {
                self.fill(key, lease, Ok(found)).await;
                Reader::Idle
            }
        };
        Ok(())
    }

    async fn fill(&mut self, key: usize, lease: Lease, found: Result<Option<Entry>, FetchFailed>) {
        self.reference[key].fill(lease, found.clone());
        let key = self.names[key].clone();
        let fill = Fill { key, lease, found };
        self.cache.fill(self.epoch, vec![fill]).await.unwrap();
    }

    fn lapse(&mut self, writer: usize) {
        let Some(admin) = self.admin else { return };
        for attempt in &self.unfinished[writer] {
            for key in 0..KEYS {
                // As if the time had come: the deadline of the attempt becomes one long ago.
                let script = redis::Script::new(
                    "local marker = redis.call('GET', KEYS[1])
                     if not marker or string.sub(marker, 1, 2) ~= 'KM' then return end
                     for at = 12, #marker, 16 do
                       if string.sub(marker, at, at + 7) == ARGV[1] then
                         redis.call('SETRANGE', KEYS[1], at + 7, string.rep('\\0', 8))
                       end
                     end",
                );
                admin.at(self.epoch, &self.names[key], |connection, place| {
                    let mut call = script.key(place);
                    call.arg(attempt.to_be_bytes().as_slice());
                    call.invoke::<()>(connection).unwrap();
                });
                self.reference[key].lapse(*attempt);
            }
        }
        if self.fence == Fence::Kept && matches!(self.writers[writer], Writer::Marked(..)) {
            self.writers[writer] = Writer::Idle;
        }
    }

    fn evict(&mut self, key: usize) {
        let Some(admin) = self.admin else { return };
        if !matches!(self.reference[key], State::Marked { .. }) {
            self.reference[key].evict();
            admin.at(self.epoch, &self.names[key], |connection, place| {
                let mut delete = redis::cmd("DEL");
                delete.arg(place).query::<()>(connection).unwrap();
            });
        }
    }

    /// Those who are in the middle of something belong to the old epoch, and end there.
    async fn flush(&mut self) {
        let Some(admin) = self.admin else { return };
        admin.flush();
        let lost = self.cache.lookup(self.epoch, &self.names).await;
        assert!(matches!(lost, Err(CacheError::NoEpoch)), "{lost:?}");
        self.epoch = next();
        self.cache.open_epoch(self.epoch).await.unwrap();
        self.reference = Default::default();
        self.writers = Default::default();
        self.readers = Default::default();
        self.unfinished = Default::default();
    }
}

/// What a key holds in a version: some are deletes.
fn held(version: Version) -> Option<Entry> {
    (!version.get().is_multiple_of(4)).then(|| entry(version.get()))
}
