//! What every request needs, put together in one place.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use kverse_core::{KvStore, Limits};
use kverse_store::tokens::{Target, Verb};
use prometheus::Registry;

use crate::access::GuardedStore;
use crate::error::Failure;
use crate::metrics::HttpMetrics;
use crate::{Config, StartError};

/// Opens the configured store with everything around it.
pub(crate) async fn open(
    config: &Config,
    metrics: &Registry,
) -> Result<Arc<dyn KvStore>, StartError> {
    let store = config.store()?.with_metrics(metrics.clone());
    Ok(kverse_store::open(&store).await?)
}

/// What every request needs.
#[derive(Debug)]
pub(crate) struct State {
    store: GuardedStore,
    pub(crate) limits: Limits,
    pub(crate) body_timeout: Duration,
    pub(crate) metrics: Registry,
    pub(crate) http: HttpMetrics,
}

impl State {
    pub(crate) fn new(
        store: Arc<dyn KvStore>,
        metrics: Registry,
        config: &Config,
    ) -> Result<Self, StartError> {
        Ok(Self {
            limits: store.capabilities().limits,
            body_timeout: config.body_timeout,
            http: HttpMetrics::new(&metrics)?,
            store: GuardedStore::new(store),
            metrics,
        })
    }

    /// The store, if the request may do this with it: see [`GuardedStore::authorize`].
    pub(crate) fn authorize<'a>(
        &self,
        request: &HttpRequest,
        verb: Verb,
        target: impl Into<Target<'a>>,
    ) -> Result<&Arc<dyn KvStore>, Failure> {
        self.store.authorize(request, verb, target)
    }

    /// What is known of the store without asking for it.
    pub(crate) fn store(&self) -> &GuardedStore {
        &self.store
    }

    /// The longest JSON form of this many bytes of keys and values: a control character takes six (`\u0000`).
    pub(crate) fn json_bytes(bytes: usize) -> usize {
        bytes.saturating_mul(6)
    }
}
