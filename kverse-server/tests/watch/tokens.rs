//! Who may watch, and for how long.

use std::io::Write;
use std::time::Instant;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::{DEADLINE, Watch, client};
use crate::process::Process;

/// A token that may do everything.
const ROOT: &str = "kv_root_0123456789abcdefghijklmnopqrstuvwxyz";

struct Guarded {
    process: Process,
    _root: tempfile::NamedTempFile,
}

impl Guarded {
    async fn start() -> Self {
        let mut root = tempfile::NamedTempFile::new().unwrap();
        writeln!(root, "{ROOT}").unwrap();
        let file = format!("--bootstrap-token-file={}", root.path().display());
        let options = ["--database-url=memory:", "--watch-heartbeat=1s", &file];
        Self {
            process: Process::start(&options).await,
            _root: root,
        }
    }

    fn request(&self, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.process.url());
        client().request(method, url).bearer_auth(token)
    }

    /// A token with these scopes: its text and its id.
    async fn token(&self, scopes: Value) -> (String, String) {
        let body = json!({"name": "test", "scopes": scopes});
        let request = self.request(Method::POST, "/tokens", ROOT).json(&body);
        let created: Value = request.send().await.unwrap().json().await.unwrap();
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        (text("token"), text("id"))
    }

    async fn put(&self, key: &str) {
        let request = self.request(Method::PUT, &format!("/kv/{key}"), ROOT);
        let answer = request.body("x").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
}

#[tokio::test]
async fn only_what_is_granted_can_be_watched() {
    let server = Guarded::start().await;
    let (token, _) = server
        .token(json!([{"verbs": ["watch"], "prefix": "a/"}]))
        .await;
    for path in [
        "/watch",
        "/watch?prefix=b/",
        "/watch?prefix=a/&include=value",
    ] {
        let refused = server
            .request(Method::GET, path, &token)
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let request = server.request(Method::GET, "/watch?prefix=a/", &token);
    let mut watch = Watch::start(request).await;
    server.put("b/secret").await;
    server.put("a/1").await;
    assert_eq!(watch.event().await.change().1, "a/1");
}

#[tokio::test]
async fn a_watch_ends_with_its_token() {
    let server = Guarded::start().await;
    let (token, id) = server
        .token(json!([{"verbs": ["watch"], "prefix": ""}]))
        .await;
    let watch = || Watch::start(server.request(Method::GET, "/watch", &token));
    let (mut idle, mut busy) = (watch().await, watch().await);
    server.put("before").await;
    assert_eq!(idle.event().await.change().1, "before");
    assert_eq!(busy.event().await.change().1, "before");
    let revoke = server.request(Method::DELETE, &format!("/tokens/{id}"), ROOT);
    assert!(revoke.send().await.unwrap().status().is_success());
    let revoked = Instant::now();
    assert_eq!(idle.event().await.code(), "invalid_token");
    idle.ends().await;
    // One that is never silent is asked for as well.
    for number in 0.. {
        server.put(&format!("k{number}")).await;
        let event = busy.event().await;
        if event.event.as_deref() == Some("error") {
            assert_eq!(event.code(), "invalid_token");
            break;
        }
        assert!(revoked.elapsed() < DEADLINE, "it goes on");
    }
    busy.ends().await;
}
