//! The database as a replica sees it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use kverse_core::cached::write_fence;
use kverse_core::{
    Capabilities, ChangePage, ChangesOptions, ComponentHealth, Error, ErrorKind, Key, KvStore,
    Operation, OperationOutcome, Page, ReadOutcome, Result, ScanOptions, Stats, Write,
    WriteOutcome,
};
use tokio::time::{Instant, sleep};

use crate::links::Links;

/// The database as a replica sees it: a write may wait for a lock, and honours its fence when it gets there.
#[derive(Debug)]
pub(crate) struct DatabaseLink(pub(crate) Arc<Links>);

impl DatabaseLink {
    async fn fenced<T: Send + 'static>(
        &self,
        write: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let fence = write_fence();
        let links = &self.0;
        links
            .database(async {
                if fence.is_some_and(|fence| Instant::now() > fence) {
                    return Err(Error::new(ErrorKind::Unavailable, "too late"));
                }
                let slow = *links.slow_writes.lock().unwrap();
                let write = async move {
                    if !slow.is_zero() {
                        sleep(slow).await;
                    }
                    write.await
                };
                if *links.lost_writes.lock().unwrap() {
                    tokio::spawn(write);
                    return Err(Error::new(ErrorKind::Timeout, "the connection broke"));
                }
                write.await
            })
            .await
    }
}

#[async_trait]
impl KvStore for DatabaseLink {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        for key in keys {
            let mut reads = self.0.database_reads.lock().unwrap();
            *reads.entry(key.clone()).or_default() += 1;
        }
        self.0.database(self.0.world.database.read(keys)).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        let world = Arc::clone(&self.0.world);
        self.fenced(async move { world.database.write(writes).await })
            .await
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        let world = Arc::clone(&self.0.world);
        self.fenced(async move { world.database.transact(operations).await })
            .await
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.0.database(self.0.world.database.scan(options)).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.0
            .database(self.0.world.database.changes(options))
            .await
    }

    async fn stats(&self) -> Result<Stats> {
        self.0.database(self.0.world.database.stats()).await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        self.0.world.database.check().await
    }

    fn capabilities(&self) -> Capabilities {
        self.0.world.database.capabilities().with_shared(true)
    }
}

impl fmt::Display for DatabaseLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("simulated database")
    }
}
