//! The configuration: flags and environment, the only place that reads either.

mod links;
mod watch;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use actix_web::http::Uri;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use kverse_core::Limits;
use kverse_store::{RedisUrl, StoreConfig, StoreUrl};
use tracing_subscriber::EnvFilter;

pub use links::LinksConfig;
pub use watch::WatchConfig;

use crate::AccessOptions;

/// Variables with the prefix that belong to the command line, often set in the same shell.
const OF_THE_COMMAND_LINE: [&str; 3] = ["KVERSE_STORE", "KVERSE_TOKEN", "KVERSE_TOKEN_FILE"];

/// The KVerse server: a durable key-value store over HTTP.
///
/// Without any options it serves the SQLite file kverse.db in the current directory at http://127.0.0.1:8000. Servers that
/// are given the same PostgreSQL database and the same Redis are replicas of one service, and none of them serves a stale
/// read.
///
/// Every option can also be given as the environment variable named with it; a flag wins over the variable. An unknown
/// variable that begins with KVERSE_ is an error.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "kverse-server",
    version,
    max_term_width = 100,
    args_override_self = true
)]
#[command(after_help = "Try it:\n  \
    curl -X PUT --data-binary 'hello' http://127.0.0.1:8000/kv/greeting\n  \
    curl http://127.0.0.1:8000/kv/greeting\n\n\
    Replicas:\n  \
    kverse-server --database-url postgresql://kverse@db/kverse --redis-url redis://cache\n\n\
    SSL_CERT_FILE names a file of certificate authorities to trust instead of those of the system.\n\
    SIGTERM and SIGINT end it gracefully: accepted requests are answered first.\n\
    Exit status: 0 stopped, 1 could not start or run, 2 wrong use or settings, 6 the store could not be reached.")]
#[non_exhaustive]
pub struct Config {
    /// Where the data is: sqlite:PATH, postgresql://USER:PASSWORD@HOST/DATABASE[?sslmode=MODE], or memory: to lose it with
    /// the process
    #[arg(long, env, value_name = "URL", default_value = "sqlite:kverse.db")]
    #[arg(hide_env_values = true)]
    database_url: String,

    /// The Redis that caches for all servers of a PostgreSQL database: redis://[USER:PASSWORD@]HOST[:PORT], or rediss:// for
    /// TLS; for a Redis Cluster redis+cluster://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...], or rediss+cluster://. A server
    /// that cannot reach it switches the cache off for all, and goes on with the database
    #[arg(long, env, value_name = "URL", hide_env_values = true)]
    redis_url: Option<String>,

    /// Address and port to listen on; port 0 takes any free one
    #[arg(long, env = "KVERSE_LISTEN", value_name = "ADDRESS:PORT")]
    #[arg(default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,

    /// Who is served, and how much.
    #[command(flatten)]
    pub access: AccessOptions,

    /// Threads that serve requests, 1 to 512 [default: one per core]
    #[arg(long, env = "KVERSE_WORKERS", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=512))]
    workers: Option<u16>,

    /// Largest value, in bytes, 1 to 64 MiB
    #[arg(long, env = "KVERSE_MAX_VALUE_BYTES", value_name = "BYTES")]
    #[arg(default_value_t = Limits::DEFAULT_MAX_VALUE_BYTES as u32)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=64 << 20))]
    pub max_value_bytes: u32,

    /// Memory for the in-process cache, in bytes; 0 switches it off
    #[arg(long, env = "KVERSE_CACHE_BYTES", value_name = "BYTES")]
    #[arg(default_value_t = StoreConfig::DEFAULT_CACHE_BYTES)]
    pub cache_bytes: u64,

    /// How long changes are kept for those who watch; 0s switches the feed of changes off. All servers of a database must
    /// agree on whether there is one
    #[arg(long, env = "KVERSE_CHANGE_RETENTION", value_name = "DURATION")]
    #[arg(default_value = "1h", value_parser = humantime::parse_duration)]
    pub change_retention: Duration,

    /// What to log: a level (error, warn, info, debug, trace) or a tracing filter such as info,kverse_store=debug
    #[arg(
        long,
        env = "KVERSE_LOG",
        value_name = "FILTER",
        default_value = "info,actix_server=warn"
    )]
    #[arg(value_parser = parse_filter)]
    pub log: String,

    /// How to log, always to stderr
    #[arg(
        long,
        env = "KVERSE_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,

    /// Where to send traces: the address of an OpenTelemetry collector that takes OTLP over HTTP, such as
    /// http://127.0.0.1:4318 [default: nowhere]
    #[cfg(feature = "otlp")]
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    #[arg(hide_env_values = true)]
    pub otlp_endpoint: Option<String>,

    /// The part of the traces that begin here that is sent, 0 to 1; of others their callers decide
    #[cfg(feature = "otlp")]
    #[arg(
        long,
        env = "KVERSE_TRACE_RATIO",
        value_name = "RATIO",
        default_value = "0.01"
    )]
    #[arg(value_parser = parse_ratio)]
    pub trace_ratio: f64,

    /// Address and port on which /metrics, and nothing else, is served too, for a scraper that has no access to the rest
    /// [default: none]
    #[arg(long, env = "KVERSE_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<SocketAddr>,

    /// Origins whose web pages may call the API, separated by commas; empty for none
    #[arg(
        long,
        env = "KVERSE_CORS_ORIGINS",
        value_name = "ORIGINS",
        value_delimiter = ','
    )]
    #[arg(value_parser = parse_origin)]
    #[arg(default_value = "http://localhost:5176,http://127.0.0.1:5176")]
    pub cors_origins: Vec<String>,

    /// Most connections at once, shared evenly by the workers; more wait until one is closed
    #[arg(
        long,
        env = "KVERSE_MAX_CONNECTIONS",
        value_name = "N",
        default_value = "50000"
    )]
    max_connections: NonZeroUsize,

    /// How clients that watch are served.
    #[command(flatten)]
    pub watch: WatchConfig,

    /// Where the dashboard leads to.
    #[command(flatten)]
    pub links: LinksConfig,

    /// How long an idle connection is kept open, after its first request
    #[arg(
        long,
        env = "KVERSE_KEEP_ALIVE",
        value_name = "DURATION",
        default_value = "75s"
    )]
    #[arg(value_parser = humantime::parse_duration)]
    pub keep_alive: Duration,

    /// How long a new connection may take to send the head of its first request
    #[arg(
        long,
        env = "KVERSE_HEAD_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s"
    )]
    #[arg(value_parser = humantime::parse_duration)]
    pub head_timeout: Duration,

    /// How long a request may take to send its body
    #[arg(
        long,
        env = "KVERSE_BODY_TIMEOUT",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = humantime::parse_duration)]
    pub body_timeout: Duration,

    /// For how long the store is tried again at the start if it cannot be reached; 0s tries once. A Redis that cannot be
    /// reached is not waited for: the service starts without it
    #[arg(
        long,
        env = "KVERSE_START_TIMEOUT",
        value_name = "DURATION",
        default_value = "0s"
    )]
    #[arg(value_parser = humantime::parse_duration)]
    pub start_timeout: Duration,

    /// How long accepted requests may take to be answered when the server is stopped, in whole seconds
    #[arg(
        long,
        env = "KVERSE_SHUTDOWN_TIMEOUT",
        value_name = "DURATION",
        default_value = "30s"
    )]
    #[arg(value_parser = humantime::parse_duration)]
    pub shutdown_timeout: Duration,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

fn parse_filter(filter: &str) -> Result<String, String> {
    match EnvFilter::try_new(filter) {
        Ok(_) => Ok(filter.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(feature = "otlp")]
fn parse_ratio(ratio: &str) -> Result<f64, String> {
    match ratio.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

/// An origin as browsers write it; `*` is none, because the list is meant to be one.
fn parse_origin(origin: &str) -> Result<String, &'static str> {
    const EXPECTED: &str =
        "expected an origin such as https://example.com or http://localhost:5176";
    if origin.is_empty() {
        return Ok(String::new());
    }
    let Ok(uri) = origin.parse::<Uri>() else {
        return Err(EXPECTED);
    };
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("http" | "https")), Some(authority))
            if origin == format!("{scheme}://{authority}") =>
        {
            Ok(origin.to_owned())
        }
        _ => Err(EXPECTED),
    }
}

impl Config {
    /// Reads the arguments and the environment of the process.
    ///
    /// # Errors
    /// A usage error, or the text of `--help` or `--version`: print it and end.
    pub fn load() -> Result<Self, clap::Error> {
        check_variables(std::env::vars_os().map(|(name, _)| name))?;
        Self::try_parse()?.checked()
    }

    /// Reads these arguments, without the name of the program. Variables of the environment stand in for those that are
    /// not given.
    ///
    /// # Errors
    /// A usage error.
    pub fn try_from_args<A: Into<OsString> + Clone>(
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Self, clap::Error> {
        let name = OsString::from("kverse-server");
        let arguments = arguments.into_iter().map(Into::into);
        Self::try_parse_from(std::iter::once(name).chain(arguments))?.checked()
    }

    fn checked(mut self) -> Result<Self, clap::Error> {
        // Not parsed by clap, whose message would show the password.
        if let Err(error) = self.database_url.parse::<StoreUrl>() {
            return Err(usage(format!("the database URL cannot be used: {error}")));
        }
        if let Err(error) = self.redis_url() {
            return Err(usage(error));
        }
        let bootstrap = std::env::var(AccessOptions::BOOTSTRAP_TOKEN).ok();
        self.access = self.access.checked(bootstrap).map_err(usage)?;
        for address in std::iter::once(self.listen).chain(self.metrics_listen) {
            self.access.check_address(address).map_err(usage)?;
        }
        Ok(self)
    }

    /// How many threads serve requests.
    pub fn workers(&self) -> usize {
        self.workers.map_or_else(
            || std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            usize::from,
        )
    }

    /// How many connections a worker may have open.
    pub(crate) fn connections_per_worker(&self) -> usize {
        self.max_connections.get().div_ceil(self.workers())
    }

    /// How many connections all workers together may have open.
    pub(crate) fn connections(&self) -> usize {
        self.connections_per_worker().saturating_mul(self.workers())
    }

    /// The Redis that is configured; an empty variable is none.
    fn redis_url(&self) -> kverse_core::Result<Option<RedisUrl>> {
        let url = self.redis_url.as_deref().filter(|url| !url.is_empty());
        url.map(str::parse).transpose()
    }

    /// The store that is configured.
    ///
    /// # Errors
    /// `InvalidInput` for a URL that names no store.
    pub fn store(&self) -> kverse_core::Result<StoreConfig> {
        let limits = Limits::default().with_max_value_bytes(self.max_value_bytes as usize);
        Ok(StoreConfig::new(self.database_url.parse()?)
            .with_limits(limits)
            .with_redis_url(self.redis_url()?)
            .with_start_timeout(self.start_timeout)
            .with_cache_bytes(self.cache_bytes)
            .with_change_retention(self.change_retention))
    }
}

/// Whether messages on stderr are colored: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
pub(crate) fn stderr_has_colors() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn usage(message: impl std::fmt::Display) -> clap::Error {
    Config::command().error(ErrorKind::ValueValidation, message)
}

/// Refuses variables that look like ours but are not: a mistyped option must not be ignored.
fn check_variables(names: impl Iterator<Item = OsString>) -> Result<(), clap::Error> {
    let command = Config::command();
    let known = |name: &str| {
        OF_THE_COMMAND_LINE.contains(&name)
            || name == AccessOptions::BOOTSTRAP_TOKEN
            || command
                .get_arguments()
                .any(|argument| argument.get_env().is_some_and(|env| env == name))
    };
    let unknown: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("KVERSE_") && !known(name))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(usage(format!(
        "unknown environment variables: {}; see --help for those that exist",
        unknown.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(arguments: &[&str]) -> String {
        Config::try_from_args(arguments).unwrap_err().to_string()
    }

    #[test]
    fn unknown_variables_are_refused_by_name() {
        let check = |names: &[&str]| check_variables(names.iter().map(OsString::from));
        assert!(check(&["KVERSE_LISTEN", "KVERSE_STORE", "HOME"]).is_ok());
        let error = check(&["KVERSE_LISTN"]).unwrap_err().to_string();
        assert!(error.contains("KVERSE_LISTN"), "{error}");
    }

    #[test]
    fn a_password_is_not_shown() {
        let error = refused(&["--database-url", "mongodb://me:secret@host/db"]);
        assert!(!error.contains("secret"), "{error}");
        let error = refused(&["--redis-url", "http://:secret@host"]);
        assert!(!error.contains("secret"), "{error}");
        assert!(error.contains("redis://"), "{error}");
    }

    #[test]
    fn other_machines_are_served_only_on_demand() {
        let error = refused(&["--listen", "0.0.0.0:8000"]);
        assert!(error.contains("--allow-anonymous"), "{error}");
        assert!(error.contains("--auth tokens"), "{error}");
        assert!(Config::try_from_args(["--listen", "0.0.0.0:8000", "--allow-anonymous"]).is_ok());
        assert!(Config::try_from_args(["--listen", "[::1]:8000"]).is_ok());
    }

    #[test]
    fn origins_are_a_list_of_origins() {
        assert!(Config::try_from_args(["--cors-origins", "https://a.b:1,http://c"]).is_ok());
        assert!(Config::try_from_args(["--cors-origins", ""]).is_ok());
        for bad in [
            "*",
            "null",
            "localhost:5176",
            "http://a/",
            "ftp://a",
            "http://a b",
        ] {
            assert!(
                refused(&["--cors-origins", bad]).contains("expected an origin"),
                "{bad}"
            );
        }
    }

    #[test]
    fn help_names_every_variable() {
        let help = Config::command().render_long_help().to_string();
        for argument in Config::command().get_arguments() {
            if let Some(env) = argument.get_env().filter(|_| !argument.is_hide_set()) {
                let env = env.to_string_lossy();
                assert!(help.contains(&*env), "{env} is missing in:\n{help}");
            }
        }
    }
}
