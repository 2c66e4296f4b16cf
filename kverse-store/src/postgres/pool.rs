//! The connections of a store.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{Object, Pool};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use kverse_core::{Error, ErrorKind};
use prometheus::Registry;
use tokio::time::timeout;

use super::PostgresConfig;
use super::clock::DatabaseClock;
use super::connection::Connector;
use super::error::PostgresError;
use super::metrics;

/// How much longer than a statement may run its answer is waited for: the way there and back.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);

/// A bounded number of connections.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool<Connector>,
    clock: Arc<DatabaseClock>,
    connection_wait: Duration,
    answer_wait: Duration,
}

impl Connections {
    /// Connections to a database; none is made yet.
    pub(super) fn new(
        config: &PostgresConfig,
        clock: Arc<DatabaseClock>,
    ) -> Result<Self, PostgresError> {
        let connector = Connector::new(config, Arc::clone(&clock))?;
        let pool = Pool::builder(connector)
            .max_size(config.max_connections.max(1))
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "the pool of connections failed").with_source(error)
            })?;
        Ok(Self {
            pool,
            clock,
            connection_wait: config.connection_wait,
            answer_wait: config.statement_timeout + ANSWER_MARGIN,
        })
    }

    pub(super) fn clock(&self) -> &Arc<DatabaseClock> {
        &self.clock
    }

    pub(super) fn register(&self, registry: &Registry) -> kverse_core::Result<()> {
        metrics::register(&self.pool, registry)
    }

    /// What the pool is doing, for people.
    pub(super) fn describe(&self) -> String {
        let status = self.pool.status();
        format!(
            "connections: {} in use, {} idle, at most {}; {} operations wait for one",
            metrics::in_use(&status),
            status.available,
            status.max_size,
            status.waiting
        )
    }

    /// A connection outside the pool.
    pub(super) async fn connect(&self) -> Result<AsyncPgConnection, PostgresError> {
        self.pool.manager().connect().await
    }

    /// A connection, as soon as one is free.
    pub(super) async fn lease(&self) -> Result<Lease, PostgresError> {
        let object = timeout(self.connection_wait, self.pool.get())
            .await
            .map_err(|_elapsed| self.no_connection())??;
        Ok(Lease {
            object: Some(object),
        })
    }

    fn no_connection(&self) -> PostgresError {
        let status = self.pool.status();
        if status.size < status.max_size {
            return PostgresError::NoConnection(self.connection_wait);
        }
        let message = format!(
            "the database is overloaded: none of {} connections was free for {} s",
            status.max_size,
            self.connection_wait.as_secs_f32()
        );
        Error::new(ErrorKind::Unavailable, message).into()
    }

    /// The answer to a statement, waited for not much longer than statements may run.
    pub(super) async fn answer<T>(
        &self,
        statement: impl Future<Output = QueryResult<T>>,
    ) -> Result<T, PostgresError> {
        answer_within(self.answer_wait, statement).await
    }

    /// What an error of a statement outside a transaction means: [`Ended`](PostgresError::Ended) if the server ended the
    /// connection with it. Only a connection that still answers tells, in every language, that the statement was undone.
    pub(super) async fn judge(
        &self,
        error: PostgresError,
        connection: &mut AsyncPgConnection,
    ) -> PostgresError {
        if !error.is_unclear() {
            return error;
        }
        let answered = self.answer(connection.batch_execute("SELECT 1")).await;
        match error {
            PostgresError::Query(error) if answered.is_err() => PostgresError::Ended(error),
            error => error,
        }
    }
}

/// The answer to a statement, waited for this long.
pub(super) async fn answer_within<T>(
    wait: Duration,
    statement: impl Future<Output = QueryResult<T>>,
) -> Result<T, PostgresError> {
    timeout(wait, statement)
        .await
        .map_err(|_elapsed| PostgresError::NoAnswer(wait))?
        .map_err(PostgresError::from)
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("status", &self.pool.status())
            .finish_non_exhaustive()
    }
}

/// A connection that is in use. It goes back to the pool only by [`keep`](Self::keep), once all answers are there: after
/// an error, or when the caller went away in between, it is closed, and an open transaction is rolled back.
pub(super) struct Lease {
    /// `None` only while it is dropped.
    object: Option<Object<Connector>>,
}

impl Lease {
    /// Gives the connection back.
    pub(super) fn keep(mut self) {
        drop(self.object.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
    }
}

#[expect(clippy::expect_used, reason = "the connection is there until the drop")]
impl Deref for Lease {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        self.object.as_ref().expect("not dropped")
    }
}

#[expect(clippy::expect_used, reason = "the connection is there until the drop")]
impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        self.object.as_mut().expect("not dropped")
    }
}
