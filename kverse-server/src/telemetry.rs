//! Logging.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::{Config, LogFormat, StartError, config};

/// Sends log records to stderr, filtered and formatted as configured.
pub(crate) fn init(config: &Config) -> Result<(), StartError> {
    let filter = EnvFilter::try_new(&config.log).map_err(StartError::telemetry)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(config::stderr_has_colors())
        .with_writer(io::stderr);
    match config.log_format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(StartError::Telemetry)
}
