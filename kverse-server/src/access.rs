//! Who may do what: tokens, what they grant, how many requests they may make, and what is written down about it.

mod address;
mod audit;
mod authorize;
mod config;
mod credentials;
mod limiter;
mod verifier;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::{HttpMessage, HttpRequest};
use kverse_store::tokens::{Target, Token, TokenId, TokenStore, Verb};

use self::address::TrustedProxies;
use self::audit::Audit;
use self::limiter::Limiter;
use self::verifier::Verifier;
use crate::dashboard::{self, Site};
use crate::error::Failure;

pub(crate) use authorize::GuardedStore;
pub use config::{AccessOptions, Auth, Rate};
pub(crate) use credentials::refuse_in_url;

/// What everyone may ask for, token or not, beside the web pages: what the service is, whether it lives, and how it is used.
const OPEN: [&str; 6] = [
    "/info",
    "/livez",
    "/readyz",
    "/health",
    "/openapi.json",
    "/docs",
];
/// What a balancer or a supervisor asks for: it must not be told to come back later.
const UNLIMITED: [&str; 2] = ["/livez", "/readyz"];

/// Who sent a request, as its token says.
struct Caller(Arc<Token>);

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Client {
    Token(TokenId),
    Address(IpAddr),
}

/// Who may do what.
pub(crate) struct Access {
    /// `None`: everyone may do everything.
    verifier: Option<Verifier>,
    tokens: Arc<dyn TokenStore>,
    rate: Option<Limiter<Client>>,
    proxies: TrustedProxies,
    audit: Audit,
    site: Site,
}

impl Access {
    pub(crate) fn new(options: &AccessOptions, tokens: Arc<dyn TokenStore>, site: Site) -> Self {
        let verifier = || Verifier::new(Arc::clone(&tokens), options.bootstrap());
        Self {
            verifier: options.requires_tokens().then(verifier),
            rate: options
                .rate_limit
                .map(|rate| Limiter::new(rate, options.burst())),
            proxies: TrustedProxies::new(options.trusted_proxies.clone()),
            audit: Audit::new(),
            site,
            tokens,
        }
    }

    /// Whether there is nothing to ask of a request.
    pub(crate) fn is_open(&self) -> bool {
        self.verifier.is_none() && self.rate.is_none()
    }

    /// Finds out who sent a request, and whether it may go on to its handler.
    ///
    /// # Errors
    /// 401 without a valid token where one is needed, 429 for too many requests, 503 if a token cannot be checked.
    pub(crate) async fn admit(&self, request: &ServiceRequest) -> Result<(), Failure> {
        let path = request.path();
        if UNLIMITED.contains(&path) {
            return Ok(());
        }
        let address = self.proxies.client(request.peer_addr(), request.headers());
        let client = match &self.verifier {
            Some(verifier) if !self.is_for_everyone(request) => {
                let token = self.authenticate(verifier, request, address).await?;
                let id = token.id.clone();
                request.extensions_mut().insert(Caller(token));
                Client::Token(id)
            }
            _ => Client::Address(address::network(address)),
        };
        match &self.rate {
            Some(rate) => rate.check(client),
            None => Ok(()),
        }
    }

    fn is_for_everyone(&self, request: &ServiceRequest) -> bool {
        let path = request.path();
        OPEN.contains(&path)
            || path.starts_with("/docs/")
            || dashboard::PAGES.contains(&path)
            || path.starts_with("/assets/")
            || self.site.has(path)
            || is_lost(request)
    }

    async fn authenticate(
        &self,
        verifier: &Verifier,
        request: &ServiceRequest,
        address: IpAddr,
    ) -> Result<Arc<Token>, Failure> {
        let refused = |failure: Failure, id: Option<&TokenId>| {
            if failure.is_denial() {
                self.audit
                    .denied(request.request(), address, None, id, failure.code());
            }
            // Who guesses tokens is slowed down as who has one is.
            let limited = self.rate.as_ref().map_or(Ok(()), |rate| {
                rate.check(Client::Address(address::network(address)))
            });
            limited.err().unwrap_or(failure)
        };
        let presented =
            credentials::bearer(request.headers()).map_err(|failure| refused(failure, None))?;
        let verified = verifier.verify(&presented, address::network(address)).await;
        verified.map_err(|failure| refused(failure, Some(presented.id())))
    }

    /// Finds out anew who sent a request that is answered for long: a token may have been revoked, or have expired, since.
    ///
    /// # Errors
    /// 401 if it has, 503 if that cannot be found out.
    pub(crate) async fn readmit(&self, request: &HttpRequest) -> Result<(), Failure> {
        let Some(verifier) = &self.verifier else {
            return Ok(());
        };
        let presented = credentials::bearer(request.headers())?;
        let network = address::network(self.address(request));
        let token = verifier.verify(&presented, network).await?;
        request.extensions_mut().insert(Caller(token));
        Ok(())
    }

    /// Whether who sent the request may do this.
    ///
    /// # Errors
    /// 401 without a token, 403 if it does not grant that.
    fn check(&self, request: &HttpRequest, verb: Verb, target: Target<'_>) -> Result<(), Failure> {
        if self.verifier.is_none() {
            return Ok(());
        }
        let token = token(request);
        let failure = match &token {
            Some(token) if token.grants(verb, target) => return Ok(()),
            Some(_) => Failure::forbidden(verb),
            None => Failure::no_token(),
        };
        let id = token.as_ref().map(|token| &token.id);
        let address = self.address(request);
        self.audit
            .denied(request, address, Some(verb), id, failure.code());
        Err(failure)
    }

    /// The token of whoever sent the request; `None` if none is needed.
    ///
    /// # Errors
    /// 401 without a token where one is needed.
    fn caller(&self, request: &HttpRequest) -> Result<Option<Arc<Token>>, Failure> {
        if self.verifier.is_none() {
            return Ok(None);
        }
        token(request).map(Some).ok_or_else(Failure::no_token)
    }

    /// Where a request comes from.
    fn address(&self, request: &HttpRequest) -> IpAddr {
        self.proxies.client(request.peer_addr(), request.headers())
    }

    /// Writes down that a token was made or changed.
    pub(crate) fn changed(&self, request: &HttpRequest, action: &'static str, about: &Token) {
        let by = token(request);
        audit::changed(request, self.address(request), action, about, by.as_deref());
    }

    /// Tells the operator if nobody can do anything.
    pub(crate) async fn warn_if_closed(&self) {
        let is_closed = match &self.verifier {
            Some(verifier) if !verifier.has_bootstrap() => self
                .tokens
                .list()
                .await
                .is_ok_and(|tokens| tokens.is_empty()),
            _ => false,
        };
        if is_closed {
            tracing::warn!(
                "access tokens are required and there are none: make the first one with \
                 `kverse-cli --store DATABASE_URL token create`, or give a bootstrap token"
            );
        }
    }
}

/// The token that a request was admitted with.
fn token(request: &HttpRequest) -> Option<Arc<Token>> {
    let extensions = request.extensions();
    extensions.get().map(|Caller(token)| Arc::clone(token))
}

/// Whether a person was led to where nothing is: browsers send no token with the address of a page.
fn is_lost(request: &ServiceRequest) -> bool {
    dashboard::is_visit(request.method(), request.headers())
        && !request.path().starts_with("/kv/")
        && request
            .match_pattern()
            .is_none_or(|pattern| pattern == dashboard::FILE)
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("requires_tokens", &self.verifier.is_some())
            .finish_non_exhaustive()
    }
}
