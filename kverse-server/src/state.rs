//! What every request needs, put together in one place.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use kverse_core::{KvStore, Limits};
use kverse_store::Opened;
use kverse_store::tokens::{Target, Token, Verb};
use prometheus::Registry;

use crate::access::{Access, GuardedStore};
use crate::dashboard::Site;
use crate::error::Failure;
use crate::history::History;
use crate::metrics::HttpMetrics;
use crate::routes::info::InfoResponse;
use crate::watch::Hub;
use crate::{Config, StartError};

/// Opens the configured store with everything around it.
pub(crate) async fn open(config: &Config, metrics: &Registry) -> Result<Opened, StartError> {
    let store = config.store()?.with_metrics(metrics.clone());
    Ok(kverse_store::open_with_tokens(&store).await?)
}

/// What every request needs.
#[derive(Debug)]
pub(crate) struct State {
    store: GuardedStore,
    pub(crate) access: Arc<Access>,
    pub(crate) limits: Limits,
    pub(crate) body_timeout: Duration,
    pub(crate) metrics: Registry,
    pub(crate) http: HttpMetrics,
    pub(crate) watches: Arc<Hub>,
    pub(crate) watch_heartbeat: Duration,
    pub(crate) site: Site,
    pub(crate) info: InfoResponse,
    pub(crate) history: Arc<History>,
}

impl State {
    pub(crate) fn new(
        opened: Opened,
        metrics: Registry,
        config: &Config,
        site: Site,
    ) -> Result<Self, StartError> {
        let Opened { store, tokens, .. } = opened;
        let access = Arc::new(Access::new(&config.access, tokens, site));
        Ok(Self {
            limits: store.capabilities().limits,
            body_timeout: config.body_timeout,
            http: HttpMetrics::new(&metrics, config.connections())?,
            store: GuardedStore::new(store, Arc::clone(&access)),
            access,
            watches: Arc::new(Hub::new(&metrics, config.watch.max_watchers())?),
            watch_heartbeat: config.watch.watch_heartbeat,
            site,
            history: Arc::default(),
            info: InfoResponse::new(config),
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

    /// Writes down that a token was made or changed.
    pub(crate) fn changed(&self, request: &HttpRequest, action: &'static str, about: &Token) {
        self.access.changed(request, action, about);
    }

    /// The longest JSON form of this many bytes of keys and values: a control character takes six (`\u0000`).
    pub(crate) fn json_bytes(bytes: usize) -> usize {
        bytes.saturating_mul(6)
    }
}
