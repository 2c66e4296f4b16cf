//! A remote KVerse server as a store.

mod client;
mod error;
mod health;
mod options;
mod scan;
mod tokens;

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kverse_core::{
    CacheStatus, Capabilities, ChangePage, ChangesOptions, ComponentHealth, Count, Error,
    ErrorKind, Key, KvStore, Limits, Operation, OperationOutcome, Page, Precondition, Prefix,
    ReadOutcome, Result, ScanOptions, Stats, Write, WriteOutcome,
};
use url::Url;

use self::client::Connection;
use self::error::Effect;
pub use self::options::HttpOptions;
use crate::StoreUrl;
use crate::wire::{
    BatchRequest, BatchResponse, ChangesResponse, CountResponse, KeysResponse, OperationRequest,
    OperationResponse, ReadyResponse, StatsResponse,
};

/// A remote KVerse server as a store, over its REST interface. Speaks HTTP/1.1, over TLS to an `https` URL, with the
/// certificate authorities that the system trusts; a user and password in the URL go along as basic authentication.
/// Proxies that the environment names are not used, redirects are not followed.
///
/// A request that did not reach the server, or that it answered with 503, is tried up to three times in half a second, if
/// there is time left.
/// A write whose answer does not come ends in [`ErrorKind::Timeout`]: it may or may not be stored.
///
/// [`Capabilities`]: shared, since anybody may write through the server; not durable, since only the server knows
/// whether it is; with changes, unless the server says otherwise when it is asked for them. Cache statuses are [`CacheStatus::Off`]: the server's cache does not show in a batch.
#[derive(Debug)]
pub struct HttpStore {
    connection: Connection,
    limits: Limits,
}

impl HttpStore {
    /// The server at `url`, which is not asked yet. The URL may have a path, below which the server's routes are.
    ///
    /// # Errors
    /// `InvalidInput` for a URL that is not HTTP, or has a query or fragment.
    pub fn new(url: Url, options: HttpOptions) -> Result<Self> {
        Ok(Self {
            connection: Connection::new(url, &options)?,
            limits: options.limits,
        })
    }

    /// The server at `url`, with the limits that it publishes. A server that does not answer within 2 seconds keeps those
    /// of the options: the first operation will say what is wrong with it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub async fn connect(url: Url, options: HttpOptions) -> Result<Self> {
        const PATIENCE: Duration = Duration::from_secs(2);
        let mut store = Self::new(url, options)?;
        let url = store.connection.url("limits");
        if let Ok((_, body)) = store.connection.get_once(url, PATIENCE).await
            && let Ok(limits) = serde_json::from_slice(&body)
        {
            store.limits = limits;
        }
        Ok(store)
    }

    async fn send(
        &self,
        route: &str,
        operations: Vec<OperationRequest>,
        effect: Effect,
    ) -> Result<Vec<OperationResponse>> {
        let count = operations.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let body = BatchRequest { operations };
        let response: BatchResponse = self.connection.post(route, &body, effect).await?;
        if response.results.len() != count {
            return Err(Error::new(
                ErrorKind::Internal,
                format!(
                    "the server gave {} results for {count} operations",
                    response.results.len()
                ),
            ));
        }
        Ok(response.results)
    }
}

impl fmt::Display for HttpStore {
    /// The URL without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        StoreUrl::Http(self.connection.base().clone()).fmt(f)
    }
}

#[async_trait]
impl KvStore for HttpStore {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.limits.check_batch(keys.len(), 0)?;
        let get = |key: &Key| {
            OperationRequest::from(&Operation::Get {
                key: key.clone(),
                precondition: Precondition::None,
            })
        };
        let operations = keys.iter().map(get).collect();
        let results = self.send("batch", operations, Effect::Reads).await?;
        let outcome = |result: OperationResponse| {
            Ok(ReadOutcome::new(result.into_entry()?, CacheStatus::Off))
        };
        results.into_iter().map(outcome).collect()
    }

    async fn write(&self, writes: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        self.limits
            .check_batch(writes.len(), writes.iter().map(Write::size).sum())?;
        // A value over the limit fails alone, and is not sent.
        let (mut outcomes, mut operations) = (Vec::with_capacity(writes.len()), Vec::new());
        for write in &writes {
            let checked = self.limits.check_write(write);
            if checked.is_ok() {
                operations.push(OperationRequest::from(write));
            }
            outcomes.push(checked);
        }
        let sent = self.send("batch", operations, Effect::Writes).await?;
        let mut sent = sent.into_iter().map(OperationResponse::into_outcome);
        let missing = || Err(Error::new(ErrorKind::Internal, "a write has no result"));
        Ok(outcomes
            .into_iter()
            .map(|checked| checked.and_then(|()| sent.next().unwrap_or_else(missing)))
            .collect())
    }

    async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        self.limits.check_batch(
            operations.len(),
            operations.iter().map(Operation::size).sum(),
        )?;
        let requests = operations.iter().map(OperationRequest::from).collect();
        let results = self.send("transaction", requests, Effect::Writes).await?;
        let outcome = |(operation, result): (&Operation, OperationResponse)| match operation {
            Operation::Get { .. } => result.into_entry().map(OperationOutcome::Get),
            Operation::Write(_) => result.into_outcome().map(OperationOutcome::Write),
        };
        operations.iter().zip(results).map(outcome).collect()
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        options.check(&self.limits)?;
        let url = self.connection.url("keys");
        let response: KeysResponse = self.connection.get(scan::page_url(url, &options)).await?;
        scan::page(&options, response)
    }

    async fn count(&self, prefix: &Prefix, start_after: Option<&Key>) -> Result<Count> {
        let url = scan::count_url(self.connection.url("keys"), prefix, start_after);
        let response: CountResponse = self.connection.get(url).await?;
        scan::count(prefix, response)
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        options.check(&self.limits)?;
        // The server must answer before this client gives up.
        let wait = options.wait.min(self.connection.request_timeout() / 2);
        let mut url = self.connection.url("watch");
        {
            let mut query = url.query_pairs_mut();
            query.append_pair("prefix", options.prefix.as_str());
            query.append_pair("limit", &options.limit.to_string());
            if let Some(since) = options.since {
                query.append_pair("since", &since.to_string());
            }
            if !wait.is_zero() {
                query.append_pair("wait", &format!("{}ms", wait.as_millis()));
            }
        }
        let response: ChangesResponse = self.connection.get(url).await?;
        response.into_page().map_err(error::malformed)
    }

    async fn stats(&self) -> Result<Stats> {
        let url = self.connection.url("stats");
        let response: StatsResponse = self.connection.get(url).await?;
        Ok(Stats::new(response.items, response.as_of))
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        let started = Instant::now();
        let mut url = self.connection.url("readyz");
        url.set_query(Some("verbose"));
        // Not retried: a check reports what is, and 503 is an answer.
        let answer = self.connection.get_once(url, Duration::MAX).await;
        let ready = answer.and_then(|(status, body)| {
            serde_json::from_slice::<ReadyResponse>(&body).map_err(|cause| {
                error::from_answer(status, &body, Effect::Reads).with_source(cause)
            })
        });
        let elapsed = started.elapsed();
        match ready {
            Ok(ready) => health::components(ready, elapsed),
            Err(error) => vec![ComponentHealth::new("server", Err(error), elapsed)],
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.limits)
            .with_shared(true)
            .with_changes(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(url: &str) -> Result<HttpStore> {
        HttpStore::new(url.parse().unwrap(), HttpOptions::default())
    }

    fn key(key: &str) -> Key {
        key.parse().unwrap()
    }

    #[test]
    fn routes_lie_below_the_path_of_the_url() {
        for (base, batch) in [
            ("http://host", "http://host/batch"),
            ("http://host:8000/kverse", "http://host:8000/kverse/batch"),
            ("https://host/a/b/", "https://host/a/b/batch"),
        ] {
            let store = store(base).unwrap();
            assert_eq!(store.connection.url("batch").as_str(), batch);
        }
    }

    #[test]
    fn a_url_that_is_no_servers_is_refused() {
        for url in ["ftp://host/", "http://host/?a=b", "http://host/#a"] {
            let error = store(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let store = store("http://user:secret@host").unwrap();
        assert_eq!(store.to_string(), "http://user:***@host/");
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_is_unavailable() {
        // Bound and closed again: surely free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port();
        let store = store(&format!("http://127.0.0.1:{port}")).unwrap();
        let error = store.read(&[key("a")]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let error = store
            .write(vec![Write::delete(key("a"))])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let health = store.check().await;
        assert_eq!((health.len(), health[0].name.as_ref()), (1, "server"));
        assert!(health[0].result.is_err());
    }
}
