//! The connections that read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool};
use diesel::sqlite::SqliteConnection;
use kverse_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connection::{database_url, set_up_reader};
use super::error::SqliteError;
use super::queue::Queue;

/// How long a read may wait for a connection before it is refused.
const CONNECTION_WAIT: Duration = Duration::from_secs(5);

/// Runs reads: on connections of their own for a file, on the writer's for a database in memory, which has only that.
#[derive(Debug)]
pub(super) enum Readers {
    Pool {
        pool: Pool<ConnectionManager<SqliteConnection>>,
        /// One permit for each connection, so that a read that must wait does not hold a thread.
        free: Arc<Semaphore>,
    },
    Writer,
}

impl Readers {
    /// Connections to the database in this file.
    pub(super) fn open(path: Option<&Path>, count: u32) -> Result<Self, SqliteError> {
        let Some(path) = path else {
            return Ok(Self::Writer);
        };
        let count = count.max(1);
        let pool = Pool::builder()
            .max_size(count)
            .connection_timeout(CONNECTION_WAIT)
            .connection_customizer(Box::new(SetUp))
            // A local file does not go away, as a server does: nothing to test or to renew.
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .build(ConnectionManager::new(database_url(path)?))?;
        let free = Arc::new(Semaphore::new(count as usize));
        Ok(Self::Pool { pool, free })
    }

    /// Runs `read` with a connection, on a thread that may block.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        queue: &Queue,
        read: impl FnOnce(&mut SqliteConnection) -> Result<T, SqliteError> + Send + 'static,
    ) -> Result<T> {
        let (pool, free) = match self {
            Self::Pool { pool, free } => (pool.clone(), Arc::clone(free)),
            Self::Writer => return queue.call(|writer| read(writer.connection())).await,
        };
        let permit = timeout(CONNECTION_WAIT, free.acquire_owned())
            .await
            .map_err(|error| {
                let message = format!(
                    "the database is overloaded: no connection was free for {} s",
                    CONNECTION_WAIT.as_secs()
                );
                Error::new(ErrorKind::Unavailable, message).with_source(error)
            })?;
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            Ok(read(&mut *pool.get().map_err(SqliteError::from)?)?)
        })
        .await
        .map_err(|error| {
            Error::new(ErrorKind::Internal, "reading the database failed").with_source(error)
        })?
    }
}

#[derive(Debug)]
struct SetUp;

impl CustomizeConnection<SqliteConnection, diesel::r2d2::Error> for SetUp {
    fn on_acquire(&self, connection: &mut SqliteConnection) -> Result<(), diesel::r2d2::Error> {
        set_up_reader(connection).map_err(diesel::r2d2::Error::QueryError)
    }
}
