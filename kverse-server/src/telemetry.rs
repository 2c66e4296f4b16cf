//! Logging and tracing.

use std::io;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::{Config, LogFormat, StartError, config};

#[cfg(feature = "otlp")]
pub(crate) mod otlp;

/// Sends what is still to be sent when it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Telemetry {
    #[cfg(feature = "otlp")]
    _exporter: Option<otlp::Exporter>,
}

/// Sends log records to stderr, filtered and formatted as configured, and traces to the collector, if there is one.
pub(crate) fn init(config: &Config) -> Result<Telemetry, StartError> {
    let filter = EnvFilter::try_new(&config.log).map_err(StartError::telemetry)?;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(config::stderr_has_colors())
        .with_writer(io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter));

    #[cfg(not(feature = "otlp"))]
    {
        registry.try_init().map_err(StartError::telemetry)?;
        Ok(Telemetry {})
    }
    #[cfg(feature = "otlp")]
    {
        let endpoint = config.otlp_endpoint.as_deref();
        let collector = endpoint.map(|endpoint| otlp::layer(endpoint, config.trace_ratio));
        let (layer, exporter) = collector.transpose()?.unzip();
        registry
            .with(layer)
            .try_init()
            .map_err(StartError::telemetry)?;
        Ok(Telemetry {
            _exporter: exporter,
        })
    }
}
