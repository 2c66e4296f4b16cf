//! Random operations, compared with a map.
//!
//! The expectation is written from the contract alone and shares no code with the stores. Where it fails, the shortest
//! sequence of operations that still fails is shown.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use super::AnyBackend;
use super::operations::{self, Change, Op, Planned};
use super::reference::Reference;
use crate::{
    Clock, ContentType, Count, Expiry, KvStore, Operation, Precondition, ScanEntry, ScanOptions,
    SystemClock, Timestamp, Write, WriteAction,
};

/// How many random sequences are tried unless the environment variable `PROPTEST_CASES` says otherwise.
pub const DEFAULT_CASES: u32 = 64;

const LONGEST: usize = 40;

/// Random sequences of reads, writes, batches, transactions, scans, counts and retries, as time passes (if the backend is
/// `clocked`) and the store restarts (if it is `durable`), have the results that a map would have.
#[expect(clippy::unused_async, reason = "behaviours are async")]
pub async fn random_operations_agree_with_a_map(backend: &AnyBackend) {
    let clocked = backend.clock().is_some();
    let durable = backend.store().capabilities().durable;
    let config = Config {
        cases: cases(),
        failure_persistence: None,
        max_shrink_time: 30_000,
        ..Config::default()
    };
    // The runner is not asynchronous: this thread waits for each sequence.
    let outcome = tokio::task::block_in_place(|| {
        let sequences =
            prop::collection::vec(operations::an_operation(clocked, durable), 1..LONGEST);
        TestRunner::new(config).run(&sequences, |ops| {
            tokio::runtime::Handle::current().block_on(check(backend, &ops))
        })
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, ops)) => {
            let listed: String = ops.iter().map(|op| format!("\n  {op:?}")).collect();
            panic!("{reason}\nafter these operations:{listed}");
        }
        Err(abort) => panic!("{abort}"),
    }
}

fn cases() -> u32 {
    // What proptest makes of the variable, which has another default.
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default().cases,
        None => DEFAULT_CASES,
    }
}

/// Does the operations on a fresh store and compares each result.
async fn check(of: &AnyBackend, ops: &[Op]) -> Result<(), TestCaseError> {
    const TIMEOUT: Duration = Duration::from_secs(30);
    let run = async {
        let mut run = Run {
            backend: of.start_another().await,
            reference: Reference::default(),
            writes: Vec::new(),
        };
        for op in ops {
            run.step(op).await?;
        }
        run.compare_everything().await
    };
    match tokio::time::timeout(TIMEOUT, Box::pin(run)).await {
        Ok(result) => result,
        Err(_) => Err(TestCaseError::fail(format!("not done after {TIMEOUT:?}"))),
    }
}

struct Run {
    backend: AnyBackend,
    reference: Reference,
    /// Every write so far, to be retried.
    writes: Vec<Write>,
}

impl Run {
    fn now(&self) -> Timestamp {
        match self.backend.clock() {
            Some(clock) => clock.now(),
            // Where time cannot be set, what ends ends an hour away from the present.
            None => SystemClock.now(),
        }
    }

    /// The write that was planned, with the versions that the keys have by now.
    fn write(&mut self, planned: &Planned) -> Write {
        let key = operations::key(planned.key);
        let write = match planned.change {
            Change::Delete => Write::delete(key),
            Change::Touch(ends) => Write::touch(key, self.expiry(ends)),
            Change::Put {
                size,
                typed,
                expiry,
            } => {
                // The number tells the values apart.
                let value: Bytes = self.writes.len().to_string().repeat(size).into();
                let content_type = typed.then(|| format!("text/{}", self.writes.len()));
                let content_type = content_type.map(|text| ContentType::new(text).unwrap());
                let expiry = self.expiry(expiry);
                Write::new(
                    key,
                    WriteAction::Put {
                        value,
                        content_type,
                        expiry,
                    },
                )
            }
        };
        let precondition = self.precondition(planned.key, planned.condition);
        let write = write.with_precondition(precondition);
        self.writes.push(write.clone());
        write
    }

    fn expiry(&self, ends: operations::Ends) -> Expiry {
        match ends {
            operations::Ends::Never => Expiry::Never,
            operations::Ends::After(duration) => Expiry::After(duration),
            operations::Ends::At(offset) => Expiry::At(offset.from(self.now())),
            operations::Ends::Keep => Expiry::Keep,
        }
    }

    fn precondition(&self, key: usize, condition: operations::Condition) -> Precondition {
        let versions = self.reference.versions(&operations::key(key));
        match condition {
            operations::Condition::None => Precondition::None,
            operations::Condition::Exists => Precondition::Exists,
            operations::Condition::Absent => Precondition::Absent,
            operations::Condition::Version(back) => Precondition::Version(versions.nth(back)),
        }
    }

    async fn step(&mut self, op: &Op) -> Result<(), TestCaseError> {
        let store = self.backend.store();
        match op {
            Op::Write(planned) => {
                let writes = vec![self.write(planned)];
                self.write_all(&*store, writes).await
            }
            Op::Batch(planned) => {
                let writes = planned.iter().map(|planned| self.write(planned)).collect();
                self.write_all(&*store, writes).await
            }
            Op::Retry(index) => match self.writes.len() {
                0 => Ok(()),
                count => {
                    // Counted from the last: those are recognised.
                    let write = self.writes[count - 1 - index % count].clone();
                    self.write_all(&*store, vec![write]).await
                }
            },
            Op::Transaction(planned) => {
                let operations: Vec<_> = planned
                    .iter()
                    .map(|step| match step {
                        operations::Step::Get(key, condition) => Operation::Get {
                            key: operations::key(*key),
                            precondition: self.precondition(*key, *condition),
                        },
                        operations::Step::Write(planned) => Operation::Write(self.write(planned)),
                    })
                    .collect();
                let now = self.now();
                let result = store.transact(operations.clone()).await;
                self.reference.transacted(&operations, result, now)
            }
            Op::Read(keys) => {
                let keys: Vec<_> = keys.iter().map(|key| operations::key(*key)).collect();
                let outcomes = store.read(&keys).await.map_err(unexpected)?;
                prop_assert_eq!(outcomes.len(), keys.len());
                for (key, outcome) in keys.iter().zip(outcomes) {
                    let expected = self.reference.entry(key, self.now());
                    prop_assert_eq!(outcome.entry, expected, "a read of {}", key);
                }
                Ok(())
            }
            Op::Scan(options) => self.scan(&*store, options.clone()).await,
            Op::Stats => {
                let stats = store.stats().await.map_err(unexpected)?;
                prop_assert_eq!(stats.items, self.reference.count(self.now()), "stats");
                Ok(())
            }
            Op::Advance(duration) => {
                self.backend.advance(*duration).await;
                Ok(())
            }
            Op::Restart => {
                drop(store);
                prop_assert!(self.backend.restart().await, "a durable store can restart");
                Ok(())
            }
        }
    }

    async fn write_all(
        &mut self,
        store: &dyn KvStore,
        writes: Vec<Write>,
    ) -> Result<(), TestCaseError> {
        let now = self.now();
        let outcomes = store.write(writes.clone()).await.map_err(unexpected)?;
        prop_assert_eq!(outcomes.len(), writes.len());
        for (write, outcome) in writes.iter().zip(outcomes) {
            self.reference.written(write, outcome, now)?;
        }
        Ok(())
    }

    /// Walks over all pages of a scan.
    async fn scan(
        &self,
        store: &dyn KvStore,
        mut options: ScanOptions,
    ) -> Result<(), TestCaseError> {
        let expected = self.reference.listed(&options, self.now());
        if options.delimiter.is_none() {
            let count = store.count(&options.prefix, options.start_after.as_ref());
            let count = count.await.map_err(unexpected)?;
            let keys = expected.0.len() as u64;
            prop_assert_eq!(count, Count::new(keys, None), "{:?}", options);
        }
        let mut listed = (Vec::new(), Vec::new());
        for _ in 0..=2 * operations::KEYS.len() {
            let page = store.scan(options.clone()).await.map_err(unexpected)?;
            prop_assert!(
                page.len() <= options.limit,
                "{:?} has {} entries and folders",
                options,
                page.len()
            );
            let sizes = page.entries.iter().map(ScanEntry::bytes);
            let folders = page.common_prefixes.iter();
            let sizes: Vec<_> = sizes
                .chain(folders.map(|folder| folder.as_str().len()))
                .collect();
            // All but the last, whichever that is.
            let bytes = sizes.iter().sum::<usize>() - sizes.iter().max().unwrap_or(&0);
            prop_assert!(
                sizes.len() < 2 || bytes < options.max_bytes,
                "{:?} has {} bytes",
                options,
                bytes
            );
            listed.0.extend(page.entries);
            let folders = page.common_prefixes.into_iter();
            listed.1.extend(folders.map(String::from));
            match page.next {
                Some(next) => options = options.with_start_after(Some(next)),
                None => {
                    prop_assert_eq!(listed, expected, "{:?}", options);
                    return Ok(());
                }
            }
        }
        Err(TestCaseError::fail(format!(
            "the pages of {options:?} do not end"
        )))
    }

    async fn compare_everything(&mut self) -> Result<(), TestCaseError> {
        self.step(&Op::Read((0..operations::KEYS.len()).collect()))
            .await?;
        self.step(&Op::Stats).await?;
        self.step(&Op::Scan(
            ScanOptions::new("".parse().unwrap()).with_values(true),
        ))
        .await
    }
}

fn unexpected(error: crate::Error) -> TestCaseError {
    TestCaseError::fail(format!("{error:?}"))
}
