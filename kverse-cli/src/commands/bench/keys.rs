//! The keys of the benchmark.

use bytes::Bytes;
use kverse_core::{Key, KvStore, Limits, Prefix, Result, Write};
use rand::distr::{Alphanumeric, SampleString};

use super::interrupts::Interrupts;
use crate::args::BenchArgs;

/// So many keys, from the prefix and a number, all with the same value.
pub(super) struct Keys {
    prefix: Prefix,
    count: u32,
    value: Bytes,
    /// How many are written at once.
    batch: usize,
}

impl Keys {
    /// # Errors
    /// `TooLarge` if prefix and number are longer than a key may be.
    pub(super) fn new(args: &BenchArgs, limits: Limits) -> Result<Self> {
        let value = Alphanumeric.sample_string(&mut rand::rng(), args.value_bytes);
        let mut keys = Self {
            prefix: args.prefix.clone(),
            count: args.keys,
            value: value.into(),
            batch: 1,
        };
        let bytes = keys.key(0)?.len() + args.value_bytes;
        let fit = (limits.max_batch_bytes / bytes).min(limits.max_batch_operations);
        keys.batch = fit.clamp(1, Self::LARGEST_BATCH);
        Ok(keys)
    }

    const LARGEST_BATCH: usize = 500;

    pub(super) fn key(&self, number: u32) -> Result<Key> {
        Key::new(format!("{}{number:07}", self.prefix.as_str()))
    }

    pub(super) fn value(&self) -> Bytes {
        self.value.clone()
    }

    /// Stores all of them, or as many as there is time for until somebody interrupts: a batch that is under way is waited
    /// for, so that it is not stored after it was removed.
    pub(super) async fn store(&self, store: &dyn KvStore, interrupts: &Interrupts) -> Result<()> {
        let put = |key| Write::put(key, self.value());
        for batch in self.batches() {
            if interrupts.any() {
                break;
            }
            self.write(store, batch, put).await?;
        }
        Ok(())
    }

    /// Removes all of them.
    pub(super) async fn remove(&self, store: &dyn KvStore) -> Result<(), crate::exit::Failure> {
        for batch in self.batches() {
            self.write(store, batch, Write::delete).await?;
        }
        Ok(())
    }

    fn batches(&self) -> impl Iterator<Item = std::ops::Range<u32>> {
        let batch = u32::try_from(self.batch).unwrap_or(u32::MAX);
        let starts = (0..self.count).step_by(self.batch);
        starts.map(move |start| start..start.saturating_add(batch).min(self.count))
    }

    async fn write(
        &self,
        store: &dyn KvStore,
        batch: std::ops::Range<u32>,
        write: impl Fn(Key) -> Write,
    ) -> Result<()> {
        let writes: Result<Vec<_>> = batch.map(|number| self.key(number).map(&write)).collect();
        for outcome in store.write(writes?).await? {
            outcome?;
        }
        Ok(())
    }
}
