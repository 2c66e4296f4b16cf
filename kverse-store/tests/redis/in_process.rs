//! The cache in the process, used as one that replicas share.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use kverse_core::cached::{Cache, CacheError, EpochCache, Fill, Finish, Lookup, Mark};
use kverse_core::{Key, MemoryCache};

/// The cache in the process as one of epochs: each begins with an empty one.
#[derive(Debug)]
pub(crate) struct InProcess(Mutex<(MemoryCache, HashMap<u64, Mark>)>);

impl InProcess {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(empty()))
    }
}

fn empty() -> (MemoryCache, HashMap<u64, Mark>) {
    (MemoryCache::new(1 << 20), HashMap::new())
}

impl fmt::Display for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("memory cache")
    }
}

/// A cache in this process does not wait.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).unwrap()
}

#[async_trait]
impl EpochCache for InProcess {
    async fn open_epoch(&self, _epoch: u64) -> Result<(), CacheError> {
        *self.0.lock().unwrap() = empty();
        Ok(())
    }

    async fn run_id(&self) -> Result<String, CacheError> {
        Ok(String::new())
    }

    async fn inspect(&self) -> Result<Vec<kverse_core::Timestamp>, CacheError> {
        Ok(vec![crate::common::now()])
    }

    async fn lookup(&self, _epoch: u64, keys: &[Key]) -> Result<Vec<Lookup>, CacheError> {
        Ok(now(self.0.lock().unwrap().0.lookup(keys)))
    }

    async fn fill(&self, _epoch: u64, fills: Vec<Fill>) -> Result<Vec<bool>, CacheError> {
        Ok(now(self.0.lock().unwrap().0.fill(fills)))
    }

    async fn mark(
        &self,
        _: u64,
        keys: &[Key],
        attempt: u64,
        _: Duration,
    ) -> Result<(), CacheError> {
        let (cache, marks) = &mut *self.0.lock().unwrap();
        marks.insert(attempt, now(cache.mark(keys)).unwrap());
        Ok(())
    }

    async fn renew(&self, _: u64, _: &[Key], _: u64, _: Duration) -> Result<(), CacheError> {
        Ok(())
    }

    async fn finish(
        &self,
        _epoch: u64,
        attempt: u64,
        outcomes: Vec<(Key, Finish)>,
    ) -> Result<(), CacheError> {
        let (cache, marks) = &mut *self.0.lock().unwrap();
        now(cache.finish(marks.remove(&attempt).unwrap(), outcomes));
        Ok(())
    }

    async fn sweep(&self, _epoch: u64) -> Result<bool, CacheError> {
        Ok(false)
    }
}
