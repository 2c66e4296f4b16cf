//! The one way to the store.

use std::sync::Arc;

use actix_web::HttpRequest;
use kverse_core::{Capabilities, ComponentHealth, KvStore};
use kverse_store::tokens::{Target, Token, TokenStore, Verb};

use super::Access;
use crate::error::Failure;

/// The store and its tokens behind their guard: a handler gets to them by [`authorize`](Self::authorize) and
/// [`tokens`](Self::tokens) only, so that none can forget to ask.
#[derive(Debug)]
pub(crate) struct GuardedStore {
    store: Arc<dyn KvStore>,
    access: Arc<Access>,
}

impl GuardedStore {
    pub(crate) fn new(store: Arc<dyn KvStore>, access: Arc<Access>) -> Self {
        Self { store, access }
    }

    /// The store, if whoever sent the request may do this with it. A handler that does several things asks for each.
    ///
    /// # Errors
    /// 401 without a token, 403 if it does not grant the verb for all of the target.
    pub(crate) fn authorize<'a>(
        &self,
        request: &HttpRequest,
        verb: Verb,
        target: impl Into<Target<'a>>,
    ) -> Result<&Arc<dyn KvStore>, Failure> {
        self.access.check(request, verb, target.into())?;
        Ok(&self.store)
    }

    /// The tokens, for whoever administers them.
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize).
    pub(crate) fn tokens(&self, request: &HttpRequest) -> Result<&Arc<dyn TokenStore>, Failure> {
        self.access.check(request, Verb::Admin, Target::Service)?;
        Ok(&self.access.tokens)
    }

    /// The token of whoever sent the request; `None` if none is needed.
    ///
    /// # Errors
    /// 401 without a token where one is needed.
    pub(crate) fn caller(&self, request: &HttpRequest) -> Result<Option<Arc<Token>>, Failure> {
        self.access.caller(request)
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
