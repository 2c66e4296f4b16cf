//! New connections.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::NoTls;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresConfig;
use super::clock::DatabaseClock;
use super::error::PostgresError;
use super::overdue::Overdue;
use super::session::{Driver, Session};
use super::statements::ReadServer;
use super::target::{Host, Target};

/// How long one server is waited for before the next is asked too.
const HEAD_START: Duration = Duration::from_millis(300);

/// Makes connections. A connection lives on the runtime that the store was opened on, whichever runtime it is used from:
/// those of web servers come and go.
pub(super) struct Connector {
    servers: Arc<Servers>,
    wait: Duration,
    runtime: Handle,
    clock: Arc<DatabaseClock>,
}

/// The servers of the database, of which one is its primary.
struct Servers {
    target: Target,
    settings: String,
    /// For each server.
    overdue: Vec<Overdue>,
    /// The one that was found to be the primary last.
    primary: AtomicUsize,
}

/// A connection, the time of the server, and when that was asked for.
type Connected = (Session, i64, Instant);

impl Connector {
    pub(super) fn new(
        config: &PostgresConfig,
        clock: Arc<DatabaseClock>,
    ) -> Result<Self, PostgresError> {
        let mut target = Target::new(&config.url)?;
        for host in &mut target.hosts {
            if host.config.get_connect_timeout().is_none() {
                // A name may have several addresses.
                host.config.connect_timeout(config.connection_wait / 2);
            }
        }
        let runtime = Handle::current();
        let overdue = |_: &Host| Overdue::new(runtime.clone());
        Ok(Self {
            servers: Arc::new(Servers {
                overdue: target.hosts.iter().map(overdue).collect(),
                target,
                settings: settings(config),
                primary: AtomicUsize::new(0),
            }),
            wait: config.connection_wait,
            runtime,
            clock,
        })
    }

    /// A connection that nothing was asked of yet.
    pub(super) async fn connect(&self) -> Result<Session, PostgresError> {
        // The limit is the task's own: it must not outlive a caller who gave up.
        let connecting = Arc::clone(&self.servers).connect(self.wait);
        let (session, now, asked) = self.runtime.spawn(connecting).await??;
        self.clock.observe(now, asked);
        Ok(session)
    }

    /// The commits that the server that was the primary last has not answered in time.
    pub(super) fn overdue(&self) -> &Overdue {
        &self.servers.overdue[self.servers.primary()]
    }
}

/// What every session starts with. Waits are bounded, a commit is on the disk, and a statement sees what was committed
/// before it began, whatever the database's defaults are. Warnings are told: see [`Session`]. Errors are in English, which
/// only superusers may choose.
fn settings(config: &PostgresConfig) -> String {
    format!(
        "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
         SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
         SELECT set_config('lc_messages', 'C', false) WHERE current_setting('is_superuser') = 'on'",
        config.statement_timeout.as_millis().max(1),
        config.idle_timeout.as_millis().max(1),
    )
}

impl Servers {
    fn primary(&self) -> usize {
        AtomicUsize::load(&self.primary, Ordering::Relaxed)
    }

    /// A connection to the first server that proves to be the primary, beginning with the one that was. A server that does
    /// not answer is not waited for: after a while the next is asked too.
    async fn connect(self: Arc<Self>, wait: Duration) -> Result<Connected, PostgresError> {
        let count = self.target.hosts.len();
        let first = self.primary();
        let mut rest = (0..count).map(|offset| (first + offset) % count);
        let attempt = async |server| (server, self.attempt(server, wait).await);
        let (mut attempts, mut failures) = (FuturesUnordered::new(), Vec::new());
        loop {
            attempts.extend(rest.next().map(attempt));
            match timeout(HEAD_START, attempts.next()).await {
                Ok(Some((server, Ok(connected)))) => {
                    self.primary.store(server, Ordering::Relaxed);
                    return Ok(connected);
                }
                Ok(Some((server, Err(error)))) => {
                    failures.push((self.target.hosts[server].name.clone(), error));
                }
                Ok(None) => return Err(PostgresError::of_hosts(failures)),
                Err(_elapsed) => {}
            }
        }
    }

    async fn attempt(&self, server: usize, wait: Duration) -> Result<Connected, PostgresError> {
        timeout(wait, self.connect_to(server))
            .await
            .map_err(|_elapsed| PostgresError::NoConnection(wait))?
    }

    async fn connect_to(&self, server: usize) -> Result<Connected, PostgresError> {
        let config = &self.target.hosts[server].config;
        let (client, driver) = match &self.target.tls {
            Some(tls) => {
                let tls = MakeRustlsConnect::new(tls.clone());
                let connected = config.connect(tls).await;
                let (client, connection) = connected.map_err(PostgresError::Connect)?;
                (client, Driver::start(connection))
            }
            None => {
                let connected = config.connect(NoTls).await;
                let (client, connection) = connected.map_err(PostgresError::Connect)?;
                (client, Driver::start(connection))
            }
        };
        let connection = AsyncPgConnection::try_from(client).await;
        let mut connection = connection.map_err(PostgresError::SetUp)?;
        connection.batch_execute(&self.settings).await?;
        let asked = Instant::now();
        let read = ReadServer::new().get_result::<(i64, bool)>(&mut connection);
        let (now, is_read_only) = read.await?;
        if is_read_only {
            return Err(PostgresError::Standby);
        }
        let session = Session::new(connection, driver, self.overdue[server].clone());
        Ok((session, now, asked))
    }
}

impl Manager for Connector {
    type Type = Session;
    type Error = PostgresError;

    async fn create(&self) -> Result<Session, PostgresError> {
        self.connect().await
    }

    async fn recycle(&self, session: &mut Session, _: &Metrics) -> RecycleResult<PostgresError> {
        // Without a query: a connection that is known to be closed is replaced, another is used as it is.
        if session.connection.is_broken() {
            return Err(RecycleError::message("the connection is closed"));
        }
        Ok(())
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}
