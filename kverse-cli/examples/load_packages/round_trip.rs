//! Writes everything, reads everything back, compares.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use kverse_core::{Key, KvStore, Result, Write};

use super::packages::Packages;

/// Packages in one batch, and batches on their way at a time.
const BATCH: usize = 500;
const BATCHES: usize = 4;

/// How it went.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) writing: Duration,
    pub(crate) reading: Duration,
    /// The keys whose value was not what had been written.
    pub(crate) different: Vec<Key>,
}

/// Writes all packages in batches, then reads all of them back.
pub(crate) async fn run(store: &dyn KvStore, packages: &Packages) -> Result<Report> {
    let started = Instant::now();
    let pairs: Vec<_> = packages.iter().collect();
    stream::iter(pairs.chunks(BATCH))
        .map(|chunk| write(store, chunk))
        .buffer_unordered(BATCHES)
        .try_collect::<()>()
        .await?;
    let writing = started.elapsed();

    let started = Instant::now();
    let different = compare(store, packages).await?;
    Ok(Report {
        writing,
        reading: started.elapsed(),
        different,
    })
}

/// The keys whose value is not this one.
pub(crate) async fn compare(store: &dyn KvStore, packages: &Packages) -> Result<Vec<Key>> {
    let pairs: Vec<_> = packages.iter().collect();
    stream::iter(pairs.chunks(BATCH))
        .map(|chunk| differences(store, chunk))
        .buffered(BATCHES)
        .try_concat()
        .await
}

async fn write(store: &dyn KvStore, chunk: &[(&Key, &String)]) -> Result<()> {
    let put = |(key, text): &(&Key, &String)| Write::put((*key).clone(), (*text).clone());
    let outcomes = store.write(chunk.iter().map(put).collect()).await?;
    outcomes
        .into_iter()
        .try_for_each(|outcome| outcome.map(drop))
}

async fn differences(store: &dyn KvStore, chunk: &[(&Key, &String)]) -> Result<Vec<Key>> {
    let keys: Vec<Key> = chunk.iter().map(|(key, _)| (*key).clone()).collect();
    let found = store.read(&keys).await?;
    let pairs = chunk.iter().zip(found);
    Ok(pairs
        .filter(|((_, text), found)| found.entry.as_ref().is_none_or(|e| e.value != **text))
        .map(|((key, _), _)| (*key).clone())
        .collect())
}
