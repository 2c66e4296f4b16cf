//! Counts and times requests, logs those that failed, and passes their ids on.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{Error, HttpMessage, HttpRequest};
use pin_project_lite::pin_project;
use prometheus::IntGauge;
use tracing::{Span, debug_span, field};

use crate::error::Failure;
use crate::metrics::{InProgress, RouteMetrics};
use crate::watch::Hub;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_REQUEST_ID_BYTES: usize = 128;

/// Counts and times requests, logs those that failed, passes their ids on, and wakes the watchers' reader when something may
/// have been written.
///
/// Which route it was is read from the answer's request: each route carries its [`RouteMetrics`] as its data.
#[derive(Debug)]
pub(crate) struct Observe {
    in_flight: IntGauge,
    watches: Arc<Hub>,
}

impl Observe {
    pub(crate) fn new(in_flight: IntGauge, watches: Arc<Hub>) -> Self {
        Self { in_flight, watches }
    }
}

impl<S> Transform<S, ServiceRequest> for Observe
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = ObserveService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(ObserveService {
            service,
            in_flight: self.in_flight.clone(),
            watches: Arc::clone(&self.watches),
        }))
    }
}

#[derive(Debug)]
pub(crate) struct ObserveService<S> {
    service: S,
    in_flight: IntGauge,
    watches: Arc<Hub>,
}

impl<S> Service<ServiceRequest> for ObserveService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Observed<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let request_id = request_id(request.headers());
        Observed {
            started: Instant::now(),
            span: span(&request, request_id.as_ref()),
            request_id,
            _in_flight: InProgress::new(&self.in_flight),
            watches: (!request.method().is_safe()).then(|| Arc::clone(&self.watches)),
            answer: self.service.call(request),
        }
    }
}

/// The span of a request, with the names that OpenTelemetry has for them. Made only if someone looks at spans.
fn span(request: &ServiceRequest, request_id: Option<&HeaderValue>) -> Span {
    let span = debug_span!(
        "request",
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = %request.method(),
        http.route = field::Empty,
        http.response.status_code = field::Empty,
        request_id = request_id.and_then(|id| id.to_str().ok()),
    );
    #[cfg(feature = "otlp")]
    crate::telemetry::otlp::set_parent(&span, request.headers());
    span
}

/// Tells a span how the request was answered.
fn record(span: &Span, response: &ServiceResponse, route: &str, elapsed: Duration) {
    let status = response.status();
    #[cfg(feature = "otlp")]
    crate::telemetry::otlp::set_name(span, format!("{} {route}", response.request().method()));
    span.record("http.route", route);
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    tracing::debug!(duration_ms = elapsed.as_secs_f64() * 1e3, "answered");
}

/// An id that was made for a request while it was answered.
#[derive(Clone)]
struct RequestId(HeaderValue);

/// The id of a request, for the log: made now, and told in the answer, if it has none yet.
pub(crate) fn request_id_of(request: &HttpRequest) -> String {
    let made = || {
        let mut extensions = request.extensions_mut();
        let id = extensions
            .get::<RequestId>()
            .cloned()
            .unwrap_or_else(|| RequestId(new_request_id()));
        extensions.insert(id.clone());
        id.0
    };
    let id = request_id(request.headers()).unwrap_or_else(made);
    id.to_str().unwrap_or_default().to_owned()
}

/// The id that the client, or a proxy, gave the request; what cannot be one is ignored.
fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(&REQUEST_ID)?;
    let bytes = id.as_bytes();
    let sane =
        (1..=MAX_REQUEST_ID_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
    sane.then(|| id.clone())
}

pin_project! {
    /// The answer to a request, observed. A request whose client goes away before it is answered is not counted.
    #[derive(Debug)]
    pub(crate) struct Observed<F> {
        started: Instant,
        span: Span,
        request_id: Option<HeaderValue>,
        _in_flight: InProgress,
        // To be told if the request may write.
        watches: Option<Arc<Hub>>,
        #[pin]
        answer: F,
    }
}

impl<F> Future for Observed<F>
where
    F: Future<Output = Result<ServiceResponse, Error>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = this.span.enter();
        let mut response = match this.answer.poll(cx) {
            Poll::Ready(Ok(response)) => response,
            other => return other,
        };
        if let Some(watches) = &this.watches {
            watches.wake();
        }
        let status = response.status();
        let request = response.request();
        let metrics = request.app_data::<RouteMetrics>();
        let elapsed = this.started.elapsed();
        if let Some(metrics) = metrics {
            metrics.observe(request.method(), status, elapsed);
        }
        let route = metrics.map_or("", |metrics| metrics.route);
        if !this.span.is_disabled() {
            record(this.span, &response, route, elapsed);
        }
        if this.request_id.is_none() {
            let made = request.extensions().get().map(|RequestId(id)| id.clone());
            *this.request_id = made;
        }
        if status.is_server_error() {
            let id = this.request_id.get_or_insert_with(new_request_id);
            log(&response, route, id);
        }
        if let Some(id) = this.request_id.take() {
            response.headers_mut().insert(REQUEST_ID.clone(), id);
        }
        Poll::Ready(Ok(response))
    }
}

fn new_request_id() -> HeaderValue {
    HeaderValue::from(rand::random::<u64>())
}

/// Logs a failure with its causes. Never the key or the value: they are the clients' data.
fn log(response: &ServiceResponse, route: &str, request_id: &HeaderValue) {
    let failure = response.response().error();
    let failure = failure.and_then(|error| error.as_error::<Failure>());
    tracing::error!(
        method = %response.request().method(),
        route,
        status = response.status().as_u16(),
        code = failure.map_or("unknown", Failure::code),
        request_id = request_id.to_str().unwrap_or_default(),
        error = failure.map(Failure::causes).unwrap_or_default(),
        "request failed"
    );
}
