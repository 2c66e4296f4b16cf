//! Requests with time limits, bounded answers and retries.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kverse_core::{Error, ErrorKind, Result};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::HttpOptions;
use super::error::{self, Effect};
use crate::tokens::BearerToken;

/// The pauses before the second and the third attempt.
const BACK_OFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// A year: times that are longer cannot be reckoned with everywhere.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The connections to one server. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    client: Client,
    /// Its path ends with a slash.
    base: Url,
    options: HttpOptions,
    /// `Bearer TOKEN`, marked as sensitive.
    authorization: Option<HeaderValue>,
}

/// The status and the body of an answer.
pub(super) type Answer = (StatusCode, Vec<u8>);

impl Connection {
    pub(super) fn new(mut base: Url, options: &HttpOptions) -> Result<Self> {
        if !matches!(base.scheme(), "http" | "https") {
            return Err(Error::invalid_input(format!(
                "a KVerse server's URL begins with http:// or https://, not with {}:",
                base.scheme()
            )));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(Error::invalid_input(
                "a KVerse server's URL has no query and no fragment",
            ));
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // Refused only if another thread was faster.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut options = options.clone();
        options.request_timeout = options.request_timeout.min(LONGEST_TIMEOUT);
        let client = Client::builder()
            .user_agent(concat!("kverse-store/", env!("CARGO_PKG_VERSION")))
            // Less than the request may take: a write that was not even sent is known not to be stored.
            .connect_timeout(options.connect_timeout.min(options.request_timeout / 2))
            // A redirected POST would come out as a GET.
            .redirect(reqwest::redirect::Policy::none())
            // The URL says where the server is; the environment has no say.
            .no_proxy()
            .build()
            .map_err(|error| {
                Error::new(ErrorKind::Internal, "cannot set up the HTTP client").with_source(error)
            })?;
        Ok(Self {
            client,
            base,
            authorization: options.token.as_ref().map(authorization).transpose()?,
            options,
        })
    }

    /// The same connections, with another token.
    pub(super) fn with_token(&self, token: &BearerToken) -> Result<Self> {
        Ok(Self {
            authorization: Some(authorization(token)?),
            ..self.clone()
        })
    }

    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// How long a request may take.
    pub(super) fn request_timeout(&self) -> Duration {
        self.options.request_timeout
    }

    /// The URL of a route, which is given without its leading slash.
    pub(super) fn url(&self, route: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{route}", self.base.path()));
        url
    }

    /// The JSON that a GET answers.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T> {
        let answer = self.with_retries(Method::GET, url, None, Effect::Reads);
        parse(answer.await?, Effect::Reads)
    }

    /// The JSON that a POST of JSON answers.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &impl Serialize,
        effect: Effect,
    ) -> Result<T> {
        parse(self.post_answer(route, body, effect).await?, effect)
    }

    async fn post_answer(
        &self,
        route: &str,
        body: &impl Serialize,
        effect: Effect,
    ) -> Result<Answer> {
        let body = serde_json::to_vec(body).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write the request as JSON").with_source(error)
        })?;
        let url = self.url(route);
        self.with_retries(Method::POST, url, Some(body.into()), effect)
            .await
    }

    /// The JSON that a POST of JSON answers, `None` for 404.
    pub(super) async fn post_if_found<T: DeserializeOwned>(
        &self,
        route: &str,
        body: &impl Serialize,
    ) -> Result<Option<T>> {
        let effect = Effect::Writes;
        match self.post_answer(route, body, effect).await? {
            (StatusCode::NOT_FOUND, _) => Ok(None),
            answer => parse(answer, effect).map(Some),
        }
    }

    /// What a DELETE answers.
    pub(super) async fn delete(&self, url: Url) -> Result<Answer> {
        self.with_retries(Method::DELETE, url, None, Effect::Writes)
            .await
    }

    /// The answer of the first attempt that reached a server which could serve. All attempts together, and the pauses between
    /// them, take no longer than the time-out of a request.
    ///
    /// Reads are tried again when no answer came, unless the time was up: a server that is slow is not asked for more. Of
    /// writes, only what surely was not done: when no connection was made, and after a 503, by which KVerse says that nothing was stored. A write whose answer went missing is not repeated: the id
    /// that it carries keeps it from being done twice in a row, but not from being done over a write that came in between.
    async fn with_retries(
        &self,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        effect: Effect,
    ) -> Result<Answer> {
        let deadline = Instant::now() + self.options.request_timeout;
        let mut pauses = BACK_OFF.into_iter().take(self.options.retries);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let result = self
                .attempt(method.clone(), url.clone(), body.clone(), effect, left)
                .await;
            let not_done = match &result {
                Ok((status, _)) => *status == StatusCode::SERVICE_UNAVAILABLE,
                Err(error) => error.kind() == ErrorKind::Unavailable,
            };
            let has_time = |pause: &Duration| Instant::now() + *pause < deadline;
            match pauses.next().filter(has_time) {
                Some(pause) if not_done => {
                    tracing::debug!(
                        pause_ms = pause.as_millis(),
                        "retrying {method} {}",
                        url.path()
                    );
                    tokio::time::sleep(pause).await;
                }
                _ => return result,
            }
        }
    }

    /// The JSON text that a GET answers, without another attempt.
    pub(super) async fn get_once(&self, url: Url, time: Duration) -> Result<Answer> {
        let time = time.min(self.options.request_timeout);
        self.attempt(Method::GET, url, None, Effect::Reads, time)
            .await
    }

    /// The answer of one attempt, which takes no longer than this.
    async fn attempt(
        &self,
        method: Method,
        url: Url,
        body: Option<Bytes>,
        effect: Effect,
        time: Duration,
    ) -> Result<Answer> {
        let mut request = self
            .client
            .request(method, url)
            .timeout(time)
            .header(ACCEPT, "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let broken = |error| error::from_transport(error, effect);
        let response = request.send().await.map_err(broken)?;
        let status = response.status();
        Ok((status, self.body(response, effect).await?))
    }

    async fn body(&self, mut response: Response, effect: Effect) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| error::from_transport(error, effect))?
        {
            let bytes = body.len() + chunk.len();
            let limit = self.options.max_answer_bytes;
            if bytes > limit {
                let reason = format!(
                    "the server's answer has more than {limit} bytes: ask for less at once"
                );
                return Err(effect
                    .no_answer(ErrorKind::TooLarge, &reason)
                    .with_limit(limit as u64, bytes as u64));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn authorization(token: &BearerToken) -> Result<HeaderValue> {
    let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
    let mut value = value.map_err(|error| {
        Error::new(ErrorKind::Internal, "the token does not fit in a header").with_source(error)
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn parse<T: DeserializeOwned>((status, body): Answer, effect: Effect) -> Result<T> {
    if !status.is_success() {
        return Err(error::from_answer(status, &body, effect));
    }
    serde_json::from_slice(&body).map_err(error::malformed)
}
