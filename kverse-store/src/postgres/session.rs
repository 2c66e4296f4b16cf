//! A connection and what drives it.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel_async::AsyncPgConnection;
use tokio_postgres::error::DbError;
use tokio_postgres::tls::TlsStream;
use tokio_postgres::{AsyncMessage, Connection, Socket};

use super::overdue::Overdue;
use super::sweeper::Task;

/// A connection.
pub(super) struct Session {
    pub(super) connection: AsyncPgConnection,
    driver: Driver,
    overdue: Overdue,
}

/// Sends what is asked, and receives the answers. Its end closes the connection.
pub(super) struct Driver {
    _task: Task,
    /// Whether a commit was not waited for until a standby had it.
    unreplicated: Arc<AtomicBool>,
}

impl Driver {
    pub(super) fn start<S>(mut connection: Connection<Socket, S>) -> Self
    where
        S: TlsStream + Unpin + Send + 'static,
    {
        let unreplicated = Arc::<AtomicBool>::default();
        let noticed = Arc::clone(&unreplicated);
        let task = tokio::spawn(async move {
            // An error is told to whoever waits for an answer, or asks next.
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notice(notice) = message
                    && is_unreplicated(&notice)
                {
                    noticed.store(true, Ordering::Release);
                }
            }
        });
        Self {
            _task: Task(task),
            unreplicated,
        }
    }
}

/// Whether this is the warning that comes before the answer to a commit that somebody cancelled while it waited for a
/// standby: it is done, on this server only. Its code is that of any warning, its text in any language.
fn is_unreplicated(notice: &DbError) -> bool {
    notice.routine() == Some("SyncRepWaitForLSN")
}

impl Session {
    pub(super) fn new(connection: AsyncPgConnection, driver: Driver, overdue: Overdue) -> Self {
        Self {
            connection,
            driver,
            overdue,
        }
    }

    /// Whether a commit since the last call is on this server, but perhaps on no standby.
    pub(super) fn is_unreplicated(&self) -> bool {
        self.driver.unreplicated.swap(false, Ordering::AcqRel)
    }

    /// The connection, and what must live as long as it is used.
    pub(super) fn into_parts(self) -> (AsyncPgConnection, Driver) {
        (self.connection, self.driver)
    }

    /// To be called instead of closing it while a commit is under way.
    pub(super) fn wait_for_commit(self) {
        self.overdue.clone().wait_for(self);
    }
}
