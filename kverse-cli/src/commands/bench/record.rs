//! What the requests came to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use kverse_core::Result;

use super::load::Operation;
use crate::exit::{Exit, Failure};

/// The outcomes of one operation.
#[derive(Clone)]
pub(super) struct Record {
    /// Of requests that succeeded, in microseconds, to three digits.
    pub(super) latencies: Histogram<u64>,
    /// How many failed, by the code of the error, with the first message.
    pub(super) errors: BTreeMap<&'static str, (u64, String)>,
}

impl Record {
    /// A latency is at most an hour.
    const MAX_MICROS: u64 = 3_600_000_000;

    pub(super) fn new() -> Result<Self, Failure> {
        let latencies = Histogram::new_with_bounds(1, Self::MAX_MICROS, 3);
        let latencies =
            latencies.map_err(|error| Failure::Failed(Exit::Error, error.to_string()))?;
        Ok(Self {
            latencies,
            errors: BTreeMap::new(),
        })
    }

    fn add(&mut self, latency: Duration, result: Result<()>) {
        match result {
            Ok(()) => {
                let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
                self.latencies.saturating_record(micros);
            }
            Err(error) => {
                let entry = self.errors.entry(error.kind().code());
                entry.or_insert_with(|| (0, error.to_string())).0 += 1;
            }
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.latencies.len() + self.failed()
    }

    pub(super) fn failed(&self) -> u64 {
        self.errors.values().map(|(count, _)| count).sum()
    }
}

/// Collects the outcomes of all clients.
pub(super) struct Recorder {
    records: [Mutex<Record>; Operation::ALL.len()],
    sent: AtomicU64,
}

impl Recorder {
    pub(super) fn new() -> Result<Self, Failure> {
        let empty = Record::new()?;
        Ok(Self {
            records: Operation::ALL.map(|_| Mutex::new(empty.clone())),
            sent: AtomicU64::new(0),
        })
    }

    pub(super) fn send(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests were sent so far.
    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, operation: Operation, latency: Duration, result: Result<()>) {
        self.record(operation).add(latency, result);
    }

    pub(super) fn record(&self, operation: Operation) -> MutexGuard<'_, Record> {
        let record = &self.records[operation as usize];
        record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
