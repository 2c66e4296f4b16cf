//! What clients see when the store cannot serve.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kverse_core::{
    Capabilities, ChangePage, ChangesOptions, ComponentHealth, Error, ErrorKind, Key, KvStore,
    MemoryStore, Operation, OperationOutcome, Page, ReadOutcome, Result, ScanOptions, Stats, Write,
    WriteOutcome,
};
use serde_json::{Value, json};

use crate::common::Server;

/// A store whose disk has gone: it can be read but not written.
#[derive(Debug, Default)]
pub(crate) struct ReadOnly(MemoryStore);

fn failure() -> Error {
    let cause = std::io::Error::other("/secret/path is read-only");
    Error::new(ErrorKind::Unavailable, "the database cannot be written").with_source(cause)
}

impl fmt::Display for ReadOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("read-only")
    }
}

#[async_trait]
impl KvStore for ReadOnly {
    async fn read(&self, keys: &[Key]) -> Result<Vec<ReadOutcome>> {
        self.0.read(keys).await
    }

    async fn write(&self, _: Vec<Write>) -> Result<Vec<Result<WriteOutcome>>> {
        Err(failure())
    }

    async fn transact(&self, _: Vec<Operation>) -> Result<Vec<OperationOutcome>> {
        Err(failure())
    }

    async fn scan(&self, options: ScanOptions) -> Result<Page> {
        self.0.scan(options).await
    }

    async fn changes(&self, options: ChangesOptions) -> Result<ChangePage> {
        self.0.changes(options).await
    }

    async fn stats(&self) -> Result<Stats> {
        self.0.stats().await
    }

    async fn check(&self) -> Vec<ComponentHealth> {
        let failed = ComponentHealth::new("disk", Err(failure()), Duration::from_millis(1));
        [self.0.check().await, vec![failed]].concat()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }
}

#[tokio::test]
async fn a_client_is_told_what_it_may_know_and_when_to_come_back() {
    let server = Server::with_store(Arc::new(ReadOnly::default()), &[]);
    let put = json!({"operations": [{"op": "put", "key": "k", "value": "v"}]});
    for request in [
        server.put("/kv/k", "v"),
        server.put_json(r#"{"key":"k","value":"v"}"#),
        server.delete("/kv?key=k"),
        server.post("/batch", &put),
        server.post("/transaction", &put),
        server.get("/health"),
        server.get("/readyz"),
    ] {
        let response = request.send().await.unwrap();
        let path = response.url().path().to_owned();
        assert_eq!(response.status(), 503, "{path}");
        assert_eq!(response.headers()["retry-after"], "1", "{path}");
        let id = response.headers()["x-request-id"].to_str().unwrap();
        assert!(!id.is_empty(), "{path}");
        let problem = response.text().await.unwrap();
        assert!(
            problem.contains("the database cannot be written"),
            "{path}: {problem}"
        );
        assert!(!problem.contains("secret"), "{path}: {problem}");
        let problem: Value = serde_json::from_str(&problem).unwrap();
        assert_eq!(problem["code"], "unavailable", "{path}");
    }
    assert_eq!(server.get("/livez").send().await.unwrap().status(), 200);
    assert_eq!(server.get("/kv/k").send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn the_checks_say_which_one_failed() {
    let server = Server::with_store(Arc::new(ReadOnly::default()), &[]);
    let ready = server.get("/readyz?verbose").send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["status"], "unavailable");
    let checks = &ready["checks"];
    assert_eq!(
        (&checks[0]["name"], &checks[0]["status"]),
        (&json!("memory"), &json!("ok"))
    );
    assert_eq!(
        (&checks[1]["name"], &checks[1]["status"]),
        (&json!("disk"), &json!("unavailable"))
    );
    assert_eq!(checks[1]["detail"], "the database cannot be written");
}

#[tokio::test]
async fn a_batch_that_was_begun_says_what_was_done() {
    let server = Server::with_store(Arc::new(ReadOnly::default()), &[]);
    let operations = json!({"operations": [
        {"op": "get", "key": "k"},
        {"op": "put", "key": "k", "value": "v"},
        {"op": "delete", "key": "k"},
        {"op": "get", "key": "k"},
    ]});
    let answer = server.post("/batch", &operations).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [404, 503, 503, 404]);
    assert_eq!(results[1]["error"]["code"], "unavailable");
}
