//! The KVerse REST server as a library: what it listens on and when it stops is up to the caller.
//!
//! [`run`] opens the configured store and serves it; [`serve`] serves a store that the caller brings.
//!
//! ```
//! # tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
//! use kverse_server::{Config, bind, run};
//!
//! let config = Config::try_from_args(["--database-url", "memory:", "--listen", "127.0.0.1:0"])?;
//! let listener = bind(config.listen)?;
//! println!("http://{}", listener.local_addr()?);
//! run(&config, listener, async {}).await?; // the shutdown comes at once
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors of the REST interface
//! An answer that is not a success has a problem body (RFC 9457, `application/problem+json`): `detail` says what is wrong to
//! a person, `code` to a program; `limit` and `actual` tell how much is too much, `current_version` why a precondition
//! failed, `operation` which one of a batch or transaction it was.
//!
//! | status | `code` | when |
//! |---|---|---|
//! | 400 | `token_in_url`, `malformed_credentials` | a token where it does not belong, or two |
//! | 401 | `missing_token`, `invalid_token` | no access token, or one that is unknown, revoked or expired |
//! | 403 | `forbidden_read`, `forbidden_write`, … | the token does not grant this verb here |
//! | 400 | `malformed_json`, `malformed_body`, `incomplete_body`, `malformed_header`, `malformed_condition` | the syntax of the request is wrong |
//! | 404 | `not_found` | the key does not exist, or nothing is at this path |
//! | 405 | `method_not_allowed` | the path has other methods, in `Allow` |
//! | 408 | `request_timeout` | the body did not arrive in time |
//! | 409 | `conflict` | an operation of a transaction cannot be done, so none was |
//! | 410 | `gone` | the changes after this position of the feed are no longer kept |
//! | 412 | `precondition_failed` | `If-Match` or `If-None-Match` does not hold |
//! | 413 | `too_large` | over one of the limits that `/limits` publishes |
//! | 415 | `unsupported_media_type` | a body of another type is needed |
//! | 422 | `invalid_input` | the request is well-formed but makes no sense |
//! | 426 | `upgrade_required` | an export to HTTP/1.0, which cannot tell its end from a failure |
//! | 429 | `too_many_requests` | over the rate; try again after `Retry-After` seconds |
//! | 500 | `internal`, `corrupt` | a defect, or data that cannot be read back |
//! | 501 | `unsupported` | this store cannot do it |
//! | 503 | `unavailable` | nothing was stored; try again after `Retry-After` seconds |
//! | 503 | `slow_reader` | the last event of a watch whose client did not read what it was sent |
//! | 504 | `timeout` | no outcome in time: a write may or may not be stored |
//! | 507 | `storage_full` | nothing was stored: the disk is full |
//!
//! A problem of `POST /import` has what was stored before in `import`, with the number of the line in `import.error`.
//!
//! Answers with a status of 500 and above carry an `X-Request-Id`, under which the cause is logged. What is not HTTP, has a
//! head that is too long or does not arrive in time is answered before it gets to the routes: 400, 408 or 431 without a
//! body.
#![deny(missing_docs)]

mod access;
mod app;
mod config;
mod dashboard;
mod error;
mod extract;
mod history;
mod metrics;
mod middleware;
mod openapi;
mod routes;
mod shutdown;
mod state;
mod telemetry;
mod tls;
mod validators;
mod watch;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::HttpServer;
use actix_web::dev::ServerHandle;
use actix_web::web::Data;
use kverse_store::Opened;
use prometheus::Registry;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use dashboard::Site;

pub use access::{AccessOptions, Auth, Rate};
pub use config::{Config, LinksConfig, LogFormat, WatchConfig};
pub use error::StartError;
pub use shutdown::shutdown_signal;

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 4096;
/// How many scrapers may be connected to the listener of the metrics.
const METRICS_CONNECTIONS: usize = 64;

/// Does what the binary does: sets up logging, raises the limit of open files, binds the configured address and runs.
///
/// # Errors
/// Whatever keeps the server from starting or running, as one line for the operator.
pub async fn start(
    config: &Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let _telemetry = telemetry::init(config)?;
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
    let listener = bind(config.listen)?;
    run(config, listener, shutdown).await
}

/// Listens on an address; port 0 takes any free port.
///
/// # Errors
/// What the system says, for example that the address is in use.
pub fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let listen = || {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    listen().map_err(|source| StartError::Listen { address, source })
}

/// Opens the configured store and serves it until `shutdown` completes; then answers what it has accepted, at most for the
/// configured time, and closes and drops the store.
///
/// # Errors
/// Whatever keeps the store from being opened, or the server from running.
pub async fn run(
    config: &Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let metrics = metrics::registry()?;
    let mut shutdown = Box::pin(shutdown);
    let store = tokio::select! {
        store = state::open(config, &metrics) => store?,
        () = &mut shutdown => return Ok(()),
    };
    serve(store, metrics, config, listener, shutdown).await
}

/// Serves a store, and closes it at the end. Without tokens of its own it gets some in memory. Its metrics are expected in `metrics`, where those of the server are added; of the configuration all
/// but the store's part applies.
///
/// # Errors
/// Whatever keeps the server from running.
pub async fn serve(
    store: impl Into<Opened>,
    metrics: Registry,
    config: &Config,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), StartError> {
    let opened = store.into();
    let served = Arc::clone(&opened.store);
    let state = state::State::new(opened, metrics, config, Site::embedded())?;
    let tls = config.access.tls();
    let tls = tls.map(|(certificate, key)| tls::server_config(certificate, key));
    let tls = tls.transpose()?;
    tracing::info!(
        address = %listener.local_addr()?,
        store = %served,
        version = env!("CARGO_PKG_VERSION"),
        "listening"
    );
    let capabilities = state.store().capabilities();
    // A store that others share may well be durable on their side.
    if !capabilities.durable && !capabilities.shared {
        tracing::warn!("the store does not outlive the process: everything is lost when it ends");
    }
    state.access.warn_if_closed().await;
    let connections = state.http.connections.clone();
    let watches = Arc::clone(&state.watches);
    let mut tasks = JoinSet::new();
    tasks.spawn(watch::read(Arc::clone(&watches), Arc::clone(&served)));
    tasks.spawn(history::record(
        Arc::clone(&state.history),
        state.metrics.clone(),
        Arc::clone(&served),
    ));
    let shutdown = async move {
        shutdown.await;
        // They would not end by themselves.
        watches.close();
    };

    let state = Data::new(state);
    let metrics_server = metrics_server(&state, config)?;
    let origins = config.cors_origins.clone();
    let server = HttpServer::new(move || app::app(&state, &origins))
        .workers(config.workers())
        .max_connections(config.connections_per_worker())
        .keep_alive(config.keep_alive)
        .client_request_timeout(config.head_timeout)
        .shutdown_timeout(config.shutdown_timeout.as_secs())
        .tcp_nodelay(true)
        .on_connect(move |_, extensions| {
            extensions.insert(metrics::InProgress::new(&connections));
        })
        .shutdown_signal(shutdown);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    }
    .run();
    server.await?;
    if let Some(metrics_server) = metrics_server {
        metrics_server.stop(true).await;
    }
    tasks.shutdown().await;
    served.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Serves `/metrics` on a listener of its own, if that is configured, until the handle is told to stop.
fn metrics_server(
    state: &Data<state::State>,
    config: &Config,
) -> Result<Option<ServerHandle>, StartError> {
    let Some(address) = config.metrics_listen else {
        return Ok(None);
    };
    let listener = bind(address)?;
    tracing::info!(address = %listener.local_addr()?, "serving metrics");
    let state = Data::clone(state);
    let server = HttpServer::new(move || app::metrics_app(&state))
        .workers(1)
        .max_connections(METRICS_CONNECTIONS)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(Some(handle))
}
