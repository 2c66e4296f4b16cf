//! Clients of one replica, who record what they do and see.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use kverse_core::testing::history::{Action, Answer, History};
use kverse_core::{
    ErrorKind, Key, KvStore, KvStoreExt, Operation, OperationOutcome, Precondition, Result,
    Version, Write, WriteOutcome,
};
use kverse_store::http::{HttpOptions, HttpStore};
use reqwest::{RequestBuilder, Response, StatusCode};

/// Talks to one replica, by the raw routes and by the JSON ones.
pub(crate) struct Client {
    url: String,
    raw: reqwest::Client,
    json: HttpStore,
    history: Arc<History>,
    /// How many bytes follow the identity in each value.
    padding: usize,
    hits: AtomicUsize,
    writes: AtomicUsize,
    failed_reads: AtomicUsize,
}

/// What a client did so far, or all of them together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Reads that found an entry in the cache.
    pub(crate) hits: usize,
    /// Writes that were acknowledged.
    pub(crate) writes: usize,
    /// Reads that were not answered.
    pub(crate) failed_reads: usize,
}

impl Client {
    /// Longer than a server takes to answer one way or the other, unless it is paused.
    const TIMEOUT: Duration = Duration::from_secs(15);

    pub(crate) fn new(url: String, history: Arc<History>, padding: usize) -> Self {
        let options = HttpOptions::default().with_request_timeout(Self::TIMEOUT);
        // First: it sees to it that there is a provider of TLS, which the other wants to have too.
        let json = HttpStore::new(url.parse().unwrap(), options).unwrap();
        let raw = reqwest::Client::builder().timeout(Self::TIMEOUT).no_proxy();
        Self {
            raw: raw.build().unwrap(),
            json,
            url,
            history,
            padding,
            hits: AtomicUsize::new(0),
            writes: AtomicUsize::new(0),
            failed_reads: AtomicUsize::new(0),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            hits: self.hits.load(Ordering::SeqCst),
            writes: self.writes.load(Ordering::SeqCst),
            failed_reads: self.failed_reads.load(Ordering::SeqCst),
        }
    }

    fn record(&self, key: &Key, action: Action, began: u128, answer: Answer) {
        if matches!(answer, Answer::Written(_)) {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        self.history.record(key, action, began, answer);
    }

    fn url(&self, key: &Key) -> String {
        format!("{}/kv/{key}", self.url)
    }

    fn value(&self, identity: &str) -> String {
        format!("{identity} {}", "x".repeat(self.padding))
    }

    /// What the key holds, and whether that came from the cache.
    pub(crate) async fn get(&self, key: &Key) -> (Answer, bool) {
        let began = self.history.now();
        let (answer, is_hit) = match self.raw.get(self.url(key)).send().await {
            Ok(response) => self.found(response).await,
            Err(_) => (Answer::Unknown, false),
        };
        if answer == Answer::Unknown {
            self.failed_reads.fetch_add(1, Ordering::SeqCst);
        }
        self.hits.fetch_add(usize::from(is_hit), Ordering::SeqCst);
        self.record(key, Action::Get, began, answer.clone());
        (answer, is_hit)
    }

    /// Reads until it is the cache that answers, at most for so long. Each read must find this value.
    pub(crate) async fn until_hit(&self, key: &Key, identity: &str, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        loop {
            let (answer, is_hit) = self.get(key).await;
            let is_expected = matches!(&answer, Answer::Found(found, _) if found == identity);
            assert!(is_expected, "{answer:?} instead of {identity}");
            if is_hit {
                return;
            }
            assert!(Instant::now() < deadline, "{key} is not cached any more");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn found(&self, response: Response) -> (Answer, bool) {
        let is_hit = response
            .headers()
            .get("kverse-cache")
            .is_some_and(|status| status == "hit");
        let version = etag(&response);
        match (response.status(), version) {
            (StatusCode::OK, Some(version)) => match response.text().await {
                Ok(value) => {
                    let (identity, padding) = value.split_once(' ').unwrap_or((&value, ""));
                    assert_eq!(padding.len(), self.padding, "a value was cut short");
                    (Answer::Found(identity.to_owned(), version), is_hit)
                }
                Err(_) => (Answer::Unknown, false),
            },
            (StatusCode::NOT_FOUND, _) => (Answer::Absent, false),
            _ => (Answer::Unknown, false),
        }
    }

    /// Stores a value by its raw route. What identifies it must be unique.
    pub(crate) async fn put(
        &self,
        key: &Key,
        identity: String,
        precondition: Precondition,
    ) -> Answer {
        self.put_for(key, identity, precondition, "").await
    }

    /// The same with a query, such as `?ttl=1s`.
    pub(crate) async fn put_for(
        &self,
        key: &Key,
        identity: String,
        precondition: Precondition,
        query: &str,
    ) -> Answer {
        let request = self.raw.put(format!("{}{query}", self.url(key)));
        let request = conditional(request, precondition).body(self.value(&identity));
        let began = self.history.now();
        let answer = match request.send().await {
            Ok(response) => match (response.status(), etag(&response)) {
                (StatusCode::OK | StatusCode::CREATED, Some(version)) => Answer::Written(version),
                (StatusCode::PRECONDITION_FAILED | StatusCode::SERVICE_UNAVAILABLE, _) => {
                    Answer::NotWritten
                }
                _ => Answer::Unknown,
            },
            Err(error) if error.is_connect() => Answer::NotWritten,
            Err(_) => Answer::Unknown,
        };
        self.record(
            key,
            Action::Put(identity, precondition),
            began,
            answer.clone(),
        );
        answer
    }

    /// Stores a value by JSON.
    pub(crate) async fn put_json(&self, key: &Key, identity: String, precondition: Precondition) {
        let put = Write::put(key.clone(), self.value(&identity)).with_precondition(precondition);
        let began = self.history.now();
        let answer = written(&self.json.write_one(put).await);
        self.record(key, Action::Put(identity, precondition), began, answer);
    }

    /// Removes a key by JSON, which tells the version that the raw route does not.
    pub(crate) async fn delete(&self, key: &Key) {
        let began = self.history.now();
        let answer = written(&self.json.write_one(Write::delete(key.clone())).await);
        self.record(key, Action::Delete, began, answer);
    }

    /// Stores values of several keys, all or none.
    pub(crate) async fn put_all(&self, puts: Vec<(Key, String)>) {
        let operation = |(key, identity): &(Key, String)| {
            Operation::Write(Write::put(key.clone(), self.value(identity)))
        };
        let operations = puts.iter().map(operation).collect();
        let began = self.history.now();
        let outcomes = self.json.transact(operations).await;
        for (index, (key, identity)) in puts.into_iter().enumerate() {
            let outcome = outcomes.clone().map(|outcomes| match &outcomes[index] {
                OperationOutcome::Write(outcome) => *outcome,
                OperationOutcome::Get(_) => panic!("a put was answered as a get"),
            });
            self.record(
                &key,
                Action::Put(identity, Precondition::None),
                began,
                written(&outcome),
            );
        }
    }
}

fn conditional(request: RequestBuilder, precondition: Precondition) -> RequestBuilder {
    match precondition {
        Precondition::Absent => request.header("If-None-Match", "*"),
        Precondition::Exists => request.header("If-Match", "*"),
        Precondition::Version(version) => request.header("If-Match", format!("\"{version}\"")),
        _ => request,
    }
}

fn etag(response: &Response) -> Option<Version> {
    let tag = response.headers().get("etag")?.to_str().ok()?;
    tag.trim_matches('"').parse().ok()
}

fn written(result: &Result<WriteOutcome>) -> Answer {
    match result {
        Ok(outcome) => Answer::Written(outcome.version),
        Err(error) => match error.kind() {
            ErrorKind::PreconditionFailed | ErrorKind::Conflict | ErrorKind::Unavailable => {
                Answer::NotWritten
            }
            _ => Answer::Unknown,
        },
    }
}
