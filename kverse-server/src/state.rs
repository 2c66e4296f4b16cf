//! What every request needs, put together in one place.

use std::sync::Arc;
use std::time::Duration;

use kverse_core::{KvStore, Limits};
use prometheus::Registry;

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
    store: Arc<dyn KvStore>,
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
            store,
            metrics,
        })
    }

    pub(crate) fn store(&self) -> &dyn KvStore {
        &*self.store
    }

    /// The longest JSON form of this many bytes of keys and values: a control character takes six (`\u0000`).
    pub(crate) fn json_bytes(bytes: usize) -> usize {
        bytes.saturating_mul(6)
    }
}
