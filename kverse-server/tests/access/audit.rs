//! What is written down, and what is not.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{DEADLINE, ROOT, client};

/// A server that logs JSON to a file. It is killed when it is dropped.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(log: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kverse-server"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("KVERSE_") {
                command.env_remove(name);
            }
        }
        command
            .args(["--database-url", "memory:", "--listen", "127.0.0.1:0"])
            .args(["--log-format", "json"])
            .env("KVERSE_BOOTSTRAP_TOKEN", ROOT)
            .stderr(Stdio::from(File::create(log).unwrap()));
        let child = command.spawn().unwrap();
        let mut process = Self {
            child,
            url: String::new(),
        };
        let started = Instant::now();
        while process.url.is_empty() {
            assert!(started.elapsed() < DEADLINE, "not listening");
            std::thread::park_timeout(Duration::from_millis(10));
            let listening = records(log)
                .into_iter()
                .find(|record| record["message"] == "listening");
            if let Some(listening) = listening {
                process.url = format!("http://{}", listening["address"].as_str().unwrap());
            }
        }
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The records of a log but for one that is still being written.
fn records(log: &Path) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap();
    let lines = text.split_inclusive('\n');
    let whole = lines.filter(|line| line.ends_with('\n'));
    whole
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

#[tokio::test]
async fn changes_and_denials_are_written_down_without_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let server = Process::start(&log);
    let client = client();
    let url = |path: &str| format!("{}{path}", server.url);
    let body = json!({"name": "audited", "scopes": [{"verbs": ["read"], "prefix": "a/"}]});
    let created = client.post(url("/tokens")).bearer_auth(ROOT).json(&body);
    let created = created
        .header("X-Request-Id", "made-1")
        .send()
        .await
        .unwrap();
    let created: Value = created.json().await.unwrap();
    let (id, token) = (
        created["id"].as_str().unwrap(),
        created["token"].as_str().unwrap(),
    );

    let secret_key = url("/kv/b/secret-key");
    let denied = client
        .put(&secret_key)
        .bearer_auth(token)
        .body("secret-value");
    let denied = denied.send().await.unwrap();
    assert_eq!(denied.status(), 403);
    let request_id = denied.headers()["x-request-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let in_url = client
        .get(url(&format!("/kv?key=a&token={token}")))
        .bearer_auth(ROOT);
    assert_eq!(in_url.send().await.unwrap().status(), 400);
    let rotate = client
        .post(url(&format!("/tokens/{id}/rotate")))
        .bearer_auth(ROOT);
    let rotated: Value = rotate.send().await.unwrap().json().await.unwrap();
    let revoke = client
        .delete(url(&format!("/tokens/{id}")))
        .bearer_auth(ROOT);
    assert_eq!(revoke.send().await.unwrap().status(), 204);
    // More than are written down.
    for _ in 0..300 {
        let guess = client
            .get(&secret_key)
            .bearer_auth(ROOT.replace("012", "210"));
        let status = guess.send().await.unwrap().status();
        assert!(status == 401 || status == 429, "{status}");
        assert_eq!(client.get(&secret_key).send().await.unwrap().status(), 401);
    }
    drop(server);

    let records = records(&log);
    let audit = |event: &str| -> Vec<&Value> {
        let of_audit = records.iter().filter(|record| record["target"] == "audit");
        of_audit.filter(|record| record["event"] == event).collect()
    };
    let created = audit("created")[0];
    let fields = ["token_id", "token_name", "by", "address", "request_id"];
    let values = fields.map(|field| created[field].as_str().unwrap_or_default());
    assert_eq!(values, [id, "audited", "root", "127.0.0.1", "made-1"]);
    assert_eq!((audit("rotated").len(), audit("revoked").len()), (1, 1));
    let denied = audit("denied");
    let fields = [
        "code",
        "verb",
        "method",
        "route",
        "token_id",
        "address",
        "request_id",
    ];
    let values = fields.map(|field| denied[0][field].as_str().unwrap_or_default());
    assert_eq!(
        values,
        [
            "forbidden_write",
            "write",
            "PUT",
            "/kv/{key}",
            id,
            "127.0.0.1",
            &request_id
        ]
    );
    assert!((50..=400).contains(&denied.len()), "{}", denied.len());

    let text = fs::read_to_string(&log).unwrap();
    let secrets = [ROOT, token, rotated["token"].as_str().unwrap()];
    let secrets = secrets.map(|token| token.rsplit('_').next().unwrap());
    for secret in secrets.into_iter().chain(["secret-key", "secret-value"]) {
        let shown = text.lines().find(|line| line.contains(secret));
        assert!(shown.is_none(), "{shown:?}");
    }
}
