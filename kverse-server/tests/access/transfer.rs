//! Requests that take long.

use std::io;
use std::time::Instant;

use futures_util::stream;
use reqwest::{Body, Method};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::common::{DEADLINE, ROOT, Server};

#[tokio::test]
async fn an_import_ends_with_its_token() {
    let server = Server::start(&[]);
    let scopes = json!([{"verbs": ["write"], "prefix": ""}]);
    let created = server.create(scopes).await;
    let (id, token) = (
        created["id"].as_str().unwrap(),
        created["token"].as_str().unwrap(),
    );
    let (lines, taken) = mpsc::channel::<io::Result<String>>(1);
    let taken = stream::unfold(taken, async |mut taken| {
        taken.recv().await.map(|line| (line, taken))
    });
    let import = server
        .request(Method::POST, "/import", token)
        .header("Content-Type", "application/x-ndjson")
        .body(Body::wrap_stream(taken));
    let import = tokio::spawn(import.send());
    let started = Instant::now();
    let mut revoked = false;
    for number in 0.. {
        // More than fits on the way, so that the import is under way when the token ends.
        let value = "v".repeat(100_000);
        let line = json!({"key": format!("k{}", number % 10), "value": value});
        if import.is_finished() || lines.send(Ok(format!("{line}\n"))).await.is_err() {
            break;
        }
        if number > 300 && !revoked {
            let path = format!("/tokens/{id}");
            assert_eq!(server.delete(&path, ROOT).await.status(), 204);
            revoked = true;
        }
        assert!(started.elapsed() < DEADLINE, "it goes on");
    }
    assert!(revoked, "it ended before");
    // The answer may be lost: the server does not wait for the rest of the body.
    if let Ok(answer) = import.await.unwrap() {
        assert_eq!(answer.status(), 401);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "invalid_token");
    }
}
