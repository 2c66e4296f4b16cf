//! New connections.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_postgres::NoTls;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::PostgresConfig;
use super::clock::DatabaseClock;
use super::error::PostgresError;
use super::statements::ReadClock;
use super::tls::Target;

/// Makes connections. A connection lives on the runtime that the store was opened on, whichever runtime it is used from:
/// those of web servers come and go.
pub(super) struct Connector {
    target: Target,
    settings: String,
    wait: Duration,
    runtime: Handle,
    clock: Arc<DatabaseClock>,
}

impl Connector {
    pub(super) fn new(
        config: &PostgresConfig,
        clock: Arc<DatabaseClock>,
    ) -> Result<Self, PostgresError> {
        Ok(Self {
            target: Target::new(&config.url)?,
            settings: settings(config),
            wait: config.connection_wait,
            runtime: Handle::current(),
            clock,
        })
    }

    /// A connection that nothing was asked of yet.
    pub(super) async fn connect(&self) -> Result<AsyncPgConnection, PostgresError> {
        let connecting = connect(self.target.clone(), self.settings.clone());
        // The limit is the task's own: it must not outlive a caller who gave up.
        let connecting = self.runtime.spawn(timeout(self.wait, connecting));
        let (connection, now, asked) = connecting
            .await?
            .map_err(|_elapsed| PostgresError::NoConnection(self.wait))??;
        self.clock.observe(now, asked);
        Ok(connection)
    }
}

/// What every session starts with. Waits are bounded, a commit is on the disk, and a statement sees what was committed
/// before it began, whatever the database's defaults are. Errors are in English, which only superusers may choose.
fn settings(config: &PostgresConfig) -> String {
    format!(
        "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}; \
         SET default_transaction_isolation = 'read committed'; \
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'; \
         SELECT set_config('lc_messages', 'C', false) WHERE current_setting('is_superuser') = 'on'",
        config.statement_timeout.as_millis().max(1),
        config.idle_timeout.as_millis().max(1),
    )
}

async fn connect(
    target: Target,
    settings: String,
) -> Result<(AsyncPgConnection, i64, Instant), PostgresError> {
    let connected = match target.tls {
        Some(tls) => {
            let tls = MakeRustlsConnect::new(tls);
            let (client, driver) = target
                .config
                .connect(tls)
                .await
                .map_err(PostgresError::Connect)?;
            AsyncPgConnection::try_from_client_and_connection(client, driver).await
        }
        None => {
            let (client, driver) = target
                .config
                .connect(NoTls)
                .await
                .map_err(PostgresError::Connect)?;
            AsyncPgConnection::try_from_client_and_connection(client, driver).await
        }
    };
    let mut connection = connected.map_err(PostgresError::SetUp)?;
    connection.batch_execute(&settings).await?;
    let asked = Instant::now();
    let now = ReadClock::new().get_result(&mut connection).await?;
    Ok((connection, now, asked))
}

impl Manager for Connector {
    type Type = AsyncPgConnection;
    type Error = PostgresError;

    async fn create(&self) -> Result<AsyncPgConnection, PostgresError> {
        self.connect().await
    }

    async fn recycle(
        &self,
        connection: &mut AsyncPgConnection,
        _: &Metrics,
    ) -> RecycleResult<PostgresError> {
        // Without a query: a connection that is known to be closed is replaced, another is used as it is.
        if connection.is_broken() {
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
