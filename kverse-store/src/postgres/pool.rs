//! The connections of a store.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::{Object, Pool};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use kverse_core::{Error, ErrorKind};
use prometheus::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::PostgresConfig;
use super::clock::DatabaseClock;
use super::connection::Connector;
use super::error::PostgresError;
use super::metrics;
use super::session::Session;
use super::statements::Probe;

/// How much longer than a statement may run its answer is waited for: the way there and back.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);

/// A bounded number of connections.
#[derive(Clone)]
pub(super) struct Connections {
    pool: Pool<Connector>,
    /// One for each connection that may be written with: the rest is for those who read, even when no write ends.
    writers: Arc<Semaphore>,
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
        let connections = config.max_connections.max(1);
        Ok(Self {
            pool,
            writers: Arc::new(Semaphore::new(connections - connections / 4)),
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
    pub(super) async fn connect(&self) -> Result<Session, PostgresError> {
        self.pool.manager().connect().await
    }

    /// A connection to write with, as soon as one is free, unless too many writes before have had no answer.
    pub(super) async fn lease_to_write(&self) -> Result<Lease, PostgresError> {
        let overdue = || self.pool.manager().overdue();
        overdue().check().await?;
        let permit = Arc::clone(&self.writers).acquire_owned();
        let permit = timeout(self.connection_wait, permit)
            .await
            .map_err(|_elapsed| self.overloaded("to write with "))?;
        // Those who were waited for may be overdue now.
        overdue().check().await?;
        let mut lease = self.lease().await?;
        lease.permit = permit.ok();
        Ok(lease)
    }

    /// A connection, as soon as one is free.
    pub(super) async fn lease(&self) -> Result<Lease, PostgresError> {
        let object = timeout(self.connection_wait, self.pool.get())
            .await
            .map_err(|_elapsed| self.no_connection())??;
        Ok(Lease {
            object: Some(object),
            permit: None,
            is_committing: false,
        })
    }

    fn no_connection(&self) -> PostgresError {
        let status = self.pool.status();
        if status.size < status.max_size {
            return PostgresError::NoConnection(self.connection_wait);
        }
        self.overloaded("")
    }

    fn overloaded(&self, purpose: &str) -> PostgresError {
        let message = format!(
            "the database is overloaded: none of {} connections {purpose}was free for {} s",
            self.pool.status().max_size,
            self.connection_wait.as_secs_f32()
        );
        Error::new(ErrorKind::Unavailable, message).into()
    }

    /// The answer to a statement, waited for not much longer than statements may run.
    pub(super) async fn answer<T>(
        &self,
        statement: impl Future<Output = QueryResult<T>>,
    ) -> Result<T, PostgresError> {
        let answer = answer_within(self.answer_wait, statement).await;
        if let Err(error) = &answer
            && error.is_of_server()
        {
            self.forget_idle();
        }
        answer
    }

    /// The answer to a statement that commits, once what it stored is as durable as the database promises.
    pub(super) async fn commit<T>(
        &self,
        lease: &mut Lease,
        statement: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<T>,
    ) -> Result<T, PostgresError> {
        lease.is_committing = true;
        let answer = self.answer(statement(lease)).await;
        // Not if the caller goes away meanwhile.
        lease.is_committing = matches!(answer, Err(PostgresError::NoAnswer(_)));
        let answer = answer?;
        if lease.session().is_unreplicated() {
            return Err(PostgresError::Unreplicated);
        }
        Ok(answer)
    }

    /// Waits until everything that can be seen is as durable as a write that was answered: what a commit stored whose wait for
    /// a standby was cancelled, or cut short by a restart, can be seen as well.
    pub(super) async fn confirm(&self, lease: &mut Lease) -> Result<(), PostgresError> {
        let probe = async |connection: &mut _| Probe::new().get_result::<i64>(connection).await;
        self.commit(lease, probe).await?;
        Ok(())
    }

    /// Closes the connections that are not in use: the server is not what it was.
    fn forget_idle(&self) {
        self.pool.retain(|_, _| false);
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
    permit: Option<OwnedSemaphorePermit>,
    /// Whether a commit was begun that has no answer yet.
    is_committing: bool,
}

impl Lease {
    /// Gives the connection back.
    pub(super) fn keep(mut self) {
        drop(self.object.take());
    }

    #[expect(clippy::expect_used, reason = "the connection is there until the drop")]
    fn session(&self) -> &Session {
        self.object.as_ref().expect("not dropped")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(object) = self.object.take() {
            let session = Object::take(object);
            if self.is_committing {
                session.wait_for_commit();
            }
        }
    }
}

impl Deref for Lease {
    type Target = AsyncPgConnection;

    fn deref(&self) -> &AsyncPgConnection {
        &self.session().connection
    }
}

#[expect(clippy::expect_used, reason = "the connection is there until the drop")]
impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut AsyncPgConnection {
        &mut self.object.as_mut().expect("not dropped").connection
    }
}
