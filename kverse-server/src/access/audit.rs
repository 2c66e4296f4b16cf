//! What is written down about access: log records with the target `audit`. Never secrets, keys or values.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::HttpRequest;
use governor::clock::MonotonicClock;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use kverse_store::tokens::{Token, TokenId, Verb};

use crate::metrics::RouteMetrics;
use crate::middleware::request_id_of;

/// How many denied requests are written down, so that nobody can fill the disk with them.
const PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// Writes down who was denied what.
pub(super) struct Audit {
    limiter: RateLimiter<NotKeyed, InMemoryState, MonotonicClock>,
    /// Denied requests since the last one that was written down.
    suppressed: AtomicU64,
}

impl Audit {
    pub(super) fn new() -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(BURST);
        Self {
            limiter: RateLimiter::direct_with_clock(quota, MonotonicClock),
            suppressed: AtomicU64::new(0),
        }
    }

    /// A request, or an operation of it, that was denied. What the token claims to be is as good as it gets: one that is
    /// not valid can claim any id.
    pub(super) fn denied(
        &self,
        request: &HttpRequest,
        address: IpAddr,
        verb: Option<Verb>,
        token: Option<&TokenId>,
        code: &str,
    ) {
        if self.limiter.check().is_err() {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        tracing::warn!(
            target: "audit",
            event = "denied",
            code,
            verb = verb.map(Verb::name),
            method = %request.method(),
            route = request.app_data::<RouteMetrics>().map(|metrics| metrics.route),
            token_id = token.map(TokenId::as_str),
            %address,
            request_id = request_id_of(request),
            suppressed = self.suppressed.swap(0, Ordering::Relaxed),
            "a request was denied"
        );
    }
}

/// A token that was made or changed.
pub(super) fn changed(
    request: &HttpRequest,
    address: IpAddr,
    action: &'static str,
    about: &Token,
    by: Option<&Token>,
) {
    tracing::info!(
        target: "audit",
        event = action,
        token_id = about.id.as_str(),
        token_name = about.name,
        by = by.map(|by| by.id.as_str()),
        %address,
        request_id = request_id_of(request),
        "a token was {action}"
    );
}
