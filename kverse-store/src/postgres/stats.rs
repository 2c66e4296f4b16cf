//! Counting, which takes long in a large table.

use std::time::{Duration, Instant};

use diesel_async::{
    AnsiTransactionManager, RunQueryDsl, SimpleAsyncConnection, TransactionManager,
};
use kverse_core::Stats;
use tokio::sync::Mutex;

use super::error::PostgresError;
use super::pool::{Connections, answer_within};
use super::rows::{to_timestamp, to_u64};
use super::statements::Count;

/// How long a count may take.
const COUNT_WAIT: Duration = Duration::from_secs(30);

/// A count of fewer rows is not kept: it is quick, and what takes time then is something else.
const FEW_ROWS: u64 = 10_000;

/// The last count, for as long as it serves: ten times as long as it took, so that counting takes at most a tenth of one
/// connection's time, whoever asks.
#[derive(Debug, Default)]
pub(super) struct Counter {
    last: Mutex<Option<(Stats, Instant)>>,
}

impl Counter {
    pub(super) async fn count(&self, connections: &Connections) -> Result<Stats, PostgresError> {
        // Held while counting: who asks meanwhile gets the same count, if it is kept.
        let mut last = self.last.lock().await;
        if let Some((stats, until)) = *last
            && Instant::now() < until
        {
            return Ok(stats);
        }
        let started = Instant::now();
        let (stats, rows) = count(connections).await?;
        let until = Instant::now() + started.elapsed() * 10;
        *last = (rows >= FEW_ROWS).then_some((stats, until));
        Ok(stats)
    }
}

async fn count(connections: &Connections) -> Result<(Stats, u64), PostgresError> {
    let mut lease = connections.lease().await?;
    let begin = AnsiTransactionManager::begin_transaction(&mut *lease);
    connections.answer(begin).await?;
    let patience = format!("SET LOCAL statement_timeout = {}", COUNT_WAIT.as_millis());
    connections.answer(lease.batch_execute(&patience)).await?;
    let count = Count::new().get_result::<(i64, i64, i64)>(&mut lease);
    let (items, rows, now) = answer_within(COUNT_WAIT, count).await?;
    let rollback = AnsiTransactionManager::rollback_transaction(&mut *lease);
    connections.answer(rollback).await?;
    lease.keep();
    let stats = Stats::new(to_u64(items)?, to_timestamp(now)?);
    Ok((stats, to_u64(rows)?))
}
