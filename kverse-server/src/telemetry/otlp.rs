//! Traces for an OpenTelemetry collector: <https://opentelemetry.io/docs/specs/otlp/>.

use actix_web::http::header::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;

use crate::StartError;

/// Spans and events of this project alone: those of the client that sends them would never end.
const TARGET: &str = "kverse";
const SERVICE: &str = "kverse-server";

/// Sends what is still to be sent when it is dropped.
#[derive(Debug)]
pub(crate) struct Exporter(SdkTracerProvider);

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "cannot send the last traces");
        }
    }
}

/// Sends the spans of requests and store operations to `endpoint`, in batches that a thread of its own sends. What the
/// collector does not take in time is dropped. `ratio` of the traces that begin here are sent; of a trace that began
/// elsewhere the caller decides.
pub(crate) fn layer<S>(
    endpoint: &str,
    ratio: f64,
) -> Result<(impl Layer<S> + use<S>, Exporter), StartError>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    // The client wants to know of TLS also where the endpoint has none. An error says that it was told before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .map_err(StartError::telemetry)?;
    let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(sampler)
        .with_resource(Resource::builder().with_service_name(SERVICE).build())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(SERVICE))
        .with_location(false)
        .with_threads(false)
        .with_filter(Targets::new().with_target(TARGET, LevelFilter::DEBUG));
    Ok((layer, Exporter(provider)))
}

/// Makes the span a part of the trace that `traceparent` names: <https://www.w3.org/TR/trace-context/>.
pub(crate) fn set_parent(span: &Span, headers: &HeaderMap) {
    if !span.is_disabled() {
        let context = TraceContextPropagator::new().extract(&Headers(headers));
        // Refused where no collector is configured.
        let _ = span.set_parent(context);
    }
}

/// Names the span of a request, once its route is known.
pub(crate) fn set_name(span: &Span, name: String) {
    span.context().span().update_name(name);
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|name| name.as_str()).collect()
    }
}
