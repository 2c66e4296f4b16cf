//! Writes and transactions, with their retries.

use std::time::{Duration, Instant};

use diesel_async::RunQueryDsl;
use kverse_core::{
    Error, ErrorKind, Expiry, Limits, Operation, OperationOutcome, Precondition, Result, Timestamp,
    Write, WriteAction, WriteId, WriteOutcome, cached,
};
use rand::random_range;
use tokio::time::sleep;

use super::error::PostgresError;
use super::pool::Connections;
use super::rows::{to_i64, to_outcome};
use super::statements::{Columns, LastWrites, Put};
use super::transaction::{Attempt, Keys, Rows, attempt};

/// How often a transaction that had to give way to others is begun.
const ATTEMPTS: u32 = 8;

/// How long the outcome of a write whose connection broke is looked for.
const RESOLVE_WAIT: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) connections: Connections,
    pub(super) limits: Limits,
    pub(super) fence: Duration,
    /// Whether what is written is told in the feed.
    pub(super) feed: bool,
}

/// A batch sorted by key: plain writes can be done in one statement, careful ones need to look first.
struct Plan<'a> {
    plain: Vec<(usize, &'a Write)>,
    careful: Vec<(usize, &'a Write)>,
}

impl<'a> Plan<'a> {
    fn new(writes: impl Iterator<Item = (usize, &'a Write)>) -> Self {
        let mut sorted: Vec<_> = writes.collect();
        // Stable: writes of one key stay in their order.
        sorted.sort_by(|(_, a), (_, b)| a.key.cmp(&b.key));
        let (mut plain, mut careful) = (Vec::with_capacity(sorted.len()), Vec::new());
        for same_key in sorted.chunk_by(|(_, a), (_, b)| a.key == b.key) {
            match same_key {
                [(index, write)] if is_plain(write) => plain.push((*index, *write)),
                writes => careful.extend_from_slice(writes),
            }
        }
        Self { plain, careful }
    }
}

/// Whether the write is a put that does not depend on what it replaces.
fn is_plain(write: &Write) -> bool {
    let WriteAction::Put { expiry, .. } = &write.action else {
        return false;
    };
    write.precondition == Precondition::None && *expiry != Expiry::Keep
}

impl Writer {
    /// The time after which a write that begins now must not be stored.
    fn deadline(&self) -> Instant {
        let own = Instant::now() + self.fence;
        cached::write_fence().map_or(own, |fence| own.min(fence.into_std()))
    }

    pub(super) async fn write<'a>(
        &'a self,
        writes: &'a [Write],
    ) -> Result<Vec<Result<WriteOutcome>>> {
        let deadline = self.deadline();
        let mut results: Vec<Result<WriteOutcome>> = writes
            .iter()
            .map(|write| self.limits.check_write(write).and(Err(no_outcome())))
            .collect();
        let fitting = writes
            .iter()
            .enumerate()
            .filter(|(_, write)| self.limits.check_write(write).is_ok());
        let mut plan = Plan::new(fitting);
        if !plan.plain.is_empty() {
            let outcomes = self.put(&plan.plain, deadline).await.map_err(Error::from)?;
            for (write, outcome) in plan.plain.iter().zip(outcomes) {
                match outcome {
                    Some(outcome) => results[write.0] = outcome,
                    // Done before, or too late: the other way tells.
                    None => plan.careful.push(*write),
                }
            }
        }
        if !plan.careful.is_empty() {
            let careful: Vec<&'a Write> = plan.careful.iter().map(|(_, write)| *write).collect();
            let keys = Keys::of_writes(&careful);
            let write_all = |rows: &mut Rows<'a>| {
                Ok(careful
                    .iter()
                    .map(|write| rows.write(write))
                    .collect::<Vec<_>>())
            };
            let done = self.transaction(&keys, deadline, write_all).await;
            let done = match done.map_err(Error::from).flatten() {
                Ok(done) => done,
                // What was put is answered all the same.
                Err(error) => careful.iter().map(|_| Err(error.clone())).collect(),
            };
            for ((index, _), result) in plan.careful.iter().zip(done) {
                results[*index] = result;
            }
        }
        Ok(results)
    }

    pub(super) async fn transact<'a>(
        &'a self,
        operations: &'a [Operation],
    ) -> Result<Vec<OperationOutcome>> {
        let keys = Keys::of_operations(operations);
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let transact = |rows: &mut Rows<'a>| rows.transact(operations);
        self.transaction(&keys, self.deadline(), transact)
            .await
            .map_err(Error::from)
            .flatten()
    }

    /// Puts with one statement. `None` for those that were not done.
    async fn put(
        &self,
        writes: &[(usize, &Write)],
        deadline: Instant,
    ) -> Result<Vec<Option<Result<WriteOutcome>>>, PostgresError> {
        let (mut columns, mut lifetimes) = (Columns::default(), Vec::with_capacity(writes.len()));
        for (_, write) in writes {
            if let WriteAction::Put {
                value,
                content_type,
                expiry,
            } = &write.action
            {
                let (expires_at, lifetime) = match expiry {
                    Expiry::After(lifetime) => (None, Some(micros(*lifetime))),
                    expiry => (expiry.resolve(Timestamp::MAX, None), None),
                };
                let content_type = content_type.as_ref();
                columns.push(
                    write.key.as_str(),
                    Some(value),
                    content_type,
                    expires_at,
                    &write.write_id,
                );
                lifetimes.push(lifetime);
            }
        }
        let mut attempts = 0;
        loop {
            let mut lease = self.connections.lease_to_write().await?;
            if Instant::now() >= deadline {
                lease.keep();
                return Err(PostgresError::Fenced);
            }
            let fence = self.connections.clock().at(deadline);
            let asked = Instant::now();
            let put = Put::new(&columns, lifetimes.clone(), fence, self.feed);
            let put = async |connection: &mut _| {
                put.load::<(String, i64, bool, Option<i64>, i64)>(connection)
                    .await
            };
            let error = match self.connections.commit(&mut lease, put).await {
                Ok(rows) => {
                    lease.keep();
                    if let Some(row) = rows.last() {
                        self.connections.clock().observe(row.4, asked);
                    }
                    return matched(writes, rows);
                }
                Err(error) => self.connections.judge(error, &mut lease).await,
            };
            match error {
                error
                    if (error.is_collision() || error.is_unclear() || error.is_read_only())
                        && attempts < ATTEMPTS =>
                {
                    attempts += 1;
                    drop(lease);
                    give_way(attempts).await;
                }
                error if error.is_lost() => {
                    // It must not be in the way of those that look for the outcome.
                    drop(lease);
                    let written: Vec<_> = writes
                        .iter()
                        .map(|(_, write)| (write.key.as_str(), write.write_id))
                        .collect();
                    let found = self.resolve(&written).await;
                    return match found {
                        Some(found) => Ok(found.into_iter().map(Some).collect()),
                        None => Err(PostgresError::Unknown(Box::new(error))),
                    };
                }
                error => return Err(error),
            }
        }
    }

    async fn transaction<'a, T>(
        &'a self,
        keys: &Keys<'a>,
        deadline: Instant,
        evaluate: impl Fn(&mut Rows<'a>) -> Result<T>,
    ) -> Result<Result<T>, PostgresError> {
        let mut attempts = 0;
        loop {
            let mut lease = self.connections.lease_to_write().await?;
            let connections = &self.connections;
            let attempt = attempt(
                connections,
                &mut lease,
                keys,
                &self.limits,
                self.feed,
                deadline,
                &evaluate,
            );
            match attempt.await {
                Ok(Attempt::Done(done)) => {
                    lease.keep();
                    return Ok(done);
                }
                Ok(Attempt::Unknown(done, written, error)) => {
                    drop(lease);
                    return match self.resolve(&written).await {
                        Some(_) => Ok(Ok(done)),
                        None => Err(PostgresError::Unknown(Box::new(error))),
                    };
                }
                // A connection that breaks takes its transaction with it: nothing is stored.
                Err(error)
                    if error.is_worth_repeating()
                        && attempts < ATTEMPTS
                        && Instant::now() < deadline =>
                {
                    attempts += 1;
                    // Its locks must not be in the way of those that it gave way to.
                    drop(lease);
                    give_way(attempts).await;
                }
                Err(PostgresError::NoAnswer(_)) => {
                    let message = "the database did not answer in time; nothing was stored";
                    return Err(Error::new(ErrorKind::Unavailable, message).into());
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What became of writes that are done together or not at all, when the connection broke before the answer: looks
    /// whether one of them is there. `None` if none is: it may come yet, or others wrote all of the keys since.
    async fn resolve(&self, written: &[(&str, WriteId)]) -> Option<Vec<Result<WriteOutcome>>> {
        let look = async {
            let mut wait = Duration::from_millis(10);
            loop {
                match self.find(written).await {
                    Ok(outcomes) if outcomes.iter().any(Option::is_some) => return outcomes,
                    Ok(_) => {}
                    Err(error) => tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "cannot look for the outcome of a write yet"
                    ),
                }
                sleep(wait).await;
                wait *= 2;
            }
        };
        let outcomes = tokio::time::timeout(RESOLVE_WAIT, look).await.ok()?;
        let overwritten = || {
            let message = "the write was stored, but written over before its outcome was known";
            Err(Error::new(ErrorKind::Timeout, message))
        };
        Some(
            outcomes
                .into_iter()
                .map(|outcome| outcome.map_or_else(overwritten, Ok))
                .collect(),
        )
    }

    /// As [`Self::last_writes`], once those that are there are durable.
    async fn find(
        &self,
        written: &[(&str, WriteId)],
    ) -> Result<Vec<Option<WriteOutcome>>, PostgresError> {
        let outcomes = self.last_writes(written).await?;
        if outcomes.iter().any(Option::is_some) {
            let mut lease = self.connections.lease_to_write().await?;
            self.connections.confirm(&mut lease).await?;
            lease.keep();
        }
        Ok(outcomes)
    }

    /// The outcomes of those writes that are still the last of their keys.
    async fn last_writes(
        &self,
        written: &[(&str, WriteId)],
    ) -> Result<Vec<Option<WriteOutcome>>, PostgresError> {
        let keys: Vec<&str> = written.iter().map(|(key, _)| *key).collect();
        let mut lease = self.connections.lease().await?;
        let last =
            LastWrites::new(&keys).load::<(String, Vec<u8>, i64, bool, Option<i64>)>(&mut lease);
        let last = self.connections.answer(last).await?;
        lease.keep();
        let mut outcomes = vec![None; written.len()];
        for (key, write_id, version, existed, expires_at) in last {
            let at = written
                .iter()
                .position(|(written, id)| *written == key && id.as_bytes().as_slice() == write_id);
            if let Some(at) = at {
                outcomes[at] = Some(to_outcome(version, existed, expires_at)?);
            }
        }
        Ok(outcomes)
    }
}

/// The outcomes of puts from the rows that the statement returned, both in the order of the keys.
fn matched(
    writes: &[(usize, &Write)],
    rows: Vec<(String, i64, bool, Option<i64>, i64)>,
) -> Result<Vec<Option<Result<WriteOutcome>>>, PostgresError> {
    let mut rows = rows.into_iter().peekable();
    let mut outcomes = Vec::with_capacity(writes.len());
    for (_, write) in writes {
        let outcome = match rows.next_if(|row| row.0 == write.key.as_str()) {
            Some((_, version, existed, expires_at, _)) => {
                Some(Ok(to_outcome(version, existed, expires_at)?))
            }
            None => None,
        };
        outcomes.push(outcome);
    }
    match rows.next() {
        None => Ok(outcomes),
        Some(_) => Err(Error::new(
            ErrorKind::Internal,
            "the database returned rows in another order",
        )
        .into()),
    }
}

/// At most the time until [`Timestamp::MAX`], so that adding it to a time cannot overflow.
fn micros(duration: Duration) -> i64 {
    to_i64(
        Timestamp::from_micros(0)
            .saturating_add(duration)
            .as_micros(),
    )
}

/// Waits a little, so that those who collided do not collide again.
async fn give_way(attempts: u32) {
    sleep(Duration::from_micros(random_range(
        100..5_000 * u64::from(attempts),
    )))
    .await;
}

fn no_outcome() -> Error {
    Error::new(ErrorKind::Internal, "the write was left out")
}
