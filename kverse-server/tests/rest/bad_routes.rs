//! Every kind of bad input on every route that takes it: each is refused with a reason, nothing is stored, and nothing of
//! it is logged.

use std::time::Duration;

use futures_util::future::join_all;
use kverse_core::{Cursor, Prefix};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{Instant, interval};

use crate::binary::{Process, program};
use crate::common::{DEADLINE, client, read_to_end};

const ROOT: &str = "kv_root_hush0123456789abcdefghijklmnopqrstuvwxyz";
const MAX_VALUE_BYTES: usize = 1024;
const JSON: &str = "Content-Type: application/json\r\n";
const LINES: &str = "Content-Type: application/x-ndjson\r\n";
const BYTES: &str = "Accept: application/octet-stream\r\n";
const JSON_BYTES: &str = "Content-Type: application/json\r\nAccept: application/octet-stream\r\n";

/// A request that is good with a key for `KEY` and a value for `VALUE`.
#[derive(Clone, Copy)]
struct Route {
    line: &'static str,
    headers: &'static str,
    body: &'static str,
}

const fn route(line: &'static str, headers: &'static str, body: &'static str) -> Route {
    Route {
        line,
        headers,
        body,
    }
}

const ROUTES: [Route; 27] = [
    route("GET /kv/KEY", "", ""),
    route("PUT /kv/KEY", "", "VALUE"),
    route("PATCH /kv/KEY?ttl=1s", "", ""),
    route("DELETE /kv/KEY", "", ""),
    route("GET /kv?key=KEY", "", ""),
    route("GET /kv?key=KEY", BYTES, ""),
    route("PUT /kv?key=KEY", "", "VALUE"),
    route("PUT /kv?key=KEY", JSON_BYTES, "VALUE"),
    route("PATCH /kv?key=KEY&ttl=1s", "", ""),
    route("DELETE /kv?key=KEY", "", ""),
    route("DELETE /kv?key=KEY", BYTES, ""),
    route("PUT /kv", JSON, r#"{"key":"KEY","value":"VALUE"}"#),
    route(
        "POST /batch",
        JSON,
        r#"{"operations":[{"op":"get","key":"KEY"}]}"#,
    ),
    route(
        "POST /batch",
        JSON,
        r#"{"operations":[{"op":"put","key":"KEY","value":"VALUE"}]}"#,
    ),
    route(
        "POST /batch",
        JSON,
        r#"{"operations":[{"op":"touch","key":"KEY","ttl":"1s"}]}"#,
    ),
    route(
        "POST /batch",
        JSON,
        r#"{"operations":[{"op":"delete","key":"KEY"}]}"#,
    ),
    route(
        "POST /transaction",
        JSON,
        r#"{"operations":[{"op":"get","key":"KEY"}]}"#,
    ),
    route(
        "POST /transaction",
        JSON,
        r#"{"operations":[{"op":"put","key":"KEY","value":"VALUE"}]}"#,
    ),
    route("POST /import", LINES, r#"{"key":"KEY","value":"VALUE"}"#),
    route("GET /keys?start_after=KEY", "", ""),
    // A prefix is a key that may be empty.
    route("GET /keys?prefix=KEY", "", ""),
    route("DELETE /keys?prefix=KEY&confirm=KEY", "", ""),
    route("GET /watch?prefix=KEY", "", ""),
    route("GET /watch?prefix=KEY", "Accept: application/json\r\n", ""),
    route("GET /export?prefix=KEY", "", ""),
    route(
        "POST /import?prefix=KEY",
        LINES,
        r#"{"key":"hush","value":"VALUE"}"#,
    ),
    route(
        "POST /tokens",
        JSON,
        r#"{"name":"hush","scopes":[{"verbs":["read"],"prefix":"KEY"}]}"#,
    ),
];

impl Route {
    fn takes_prefix(self) -> bool {
        self.line.contains("prefix=") || self.body.contains("prefix")
    }

    fn has_json_key(self) -> bool {
        self.body.contains("KEY")
    }

    /// The request with this key, escaped for where it is.
    fn with(self, in_url: &str, in_json: &[u8]) -> Request {
        let body: Vec<&[u8]> = self.body.split("KEY").map(str::as_bytes).collect();
        Request {
            name: format!("{} {}", self.line, self.body),
            line: self.line.replace("KEY", in_url),
            headers: self.headers.to_owned(),
            body: body.join(in_json),
            token: ROOT.to_owned(),
        }
    }

    fn good(self) -> Request {
        self.with("hush", b"hush")
    }
}

struct Request {
    name: String,
    line: String,
    headers: String,
    body: Vec<u8>,
    token: String,
}

impl Request {
    fn with_parameter(mut self, parameter: &str) -> Self {
        let sign = if self.line.contains('?') { '&' } else { '?' };
        self.line = format!("{}{sign}{parameter}", self.line);
        self
    }

    fn with_header(mut self, header: &str) -> Self {
        self.headers.push_str(header);
        self.headers.push_str("\r\n");
        self
    }

    fn with_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    /// The body with this in place of its value.
    fn with_value(mut self, value: &str) -> Self {
        let body = String::from_utf8(self.body).unwrap();
        self.body = body.replace("VALUE", value).into_bytes();
        self
    }

    fn head(&self, length: usize) -> String {
        let Self {
            line,
            headers,
            token,
            ..
        } = self;
        format!(
            "{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{headers}\
             Content-Length: {length}\r\n\r\n"
        )
    }

    fn bytes(&self) -> Vec<u8> {
        [self.head(self.body.len()).as_bytes(), &self.body].concat()
    }
}

/// A server, and how many inputs it has refused.
struct Refusals {
    process: Process,
    refused: usize,
}

impl Refusals {
    fn start(options: &[&str]) -> Self {
        let mut command = program("memory:");
        command
            .env("KVERSE_BOOTSTRAP_TOKEN", ROOT)
            .args(["--log", "debug", "--workers", "2", "--max-value-bytes"])
            .arg(MAX_VALUE_BYTES.to_string())
            .args(options);
        Self {
            process: Process::spawn(&mut command),
            refused: 0,
        }
    }

    async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.process.address).await.unwrap();
        // It may be refused before it is there as a whole.
        let _ = stream.write_all(request).await;
        let _ = stream.shutdown().await;
        read_to_end(&mut stream).await
    }

    /// Sends a request, which must be refused with one of these statuses, for a reason that has these words in it.
    async fn refuses(
        &mut self,
        request: Request,
        bytes: Vec<u8>,
        statuses: &[u16],
        words: &[&str],
    ) {
        let answer = self.exchange(&bytes).await;
        self.judge(&request.name, &answer, statuses, words).await;
    }

    async fn judge(&mut self, name: &str, answer: &str, statuses: &[u16], words: &[&str]) {
        let name = format!("{name}, {words:?}");
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{name}: {answer}"));
        let status: u16 = head[9..12].parse().unwrap();
        assert!(statuses.contains(&status), "{name}: {answer}");
        let head = head.to_lowercase();
        assert!(
            head.contains("content-type: application/problem+json"),
            "{name}: {head}"
        );
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], status, "{name}");
        assert!(
            problem["code"]
                .as_str()
                .is_some_and(|code| !code.is_empty()),
            "{name}: {body}"
        );
        for word in words {
            assert!(body.contains(word), "{name}: {body}");
        }
        assert!(!body.contains("hush0123"), "{name}: {body}");
        self.has_stored_nothing(&name).await;
    }

    async fn has_stored_nothing(&mut self, name: &str) {
        self.refused += 1;
        let keys = self.get("/keys?limit=1").await;
        assert_eq!(keys["keys"], json!([]), "{name}");
    }

    async fn get(&self, path: &str) -> Value {
        let get = client().get(format!("{}{path}", self.process.url()));
        get.bearer_auth(ROOT)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Value {
        let request = client().request(method, format!("{}{path}", self.process.url()));
        let answer = request.bearer_auth(ROOT).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        let text = answer.text().await.unwrap();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Ends the server: it has made no token but these, and logged nothing that a client sent.
    async fn finish(self, tokens: usize, secrets: &[&str]) {
        let known = self.get("/tokens").await;
        let known = known["tokens"].as_array().unwrap().iter();
        let made =
            known.filter(|token| token["name"] != "made by the test" && token["id"] != "root");
        assert_eq!(made.count(), tokens);
        let log = self.process.stop();
        for secret in secrets.iter().chain(&["hush"]) {
            let shown = log.lines().find(|line| line.contains(secret));
            assert!(shown.is_none(), "{shown:?}");
        }
        println!("{} bad inputs were refused", self.refused);
    }
}

#[tokio::test]
async fn bad_keys_and_parameters_are_refused_on_every_route() {
    let mut server = Refusals::start(&[]);
    let long = format!("hush{}", "k".repeat(1021));
    for route in ROUTES {
        for (in_url, in_json, statuses, words) in [
            ("hush%FF", &b"hush\xff"[..], &[400, 422][..], &[][..]),
            ("hush%C3%28", b"hush\\ud800", &[400, 422], &[]),
            ("hush%00", b"hush\\u0000", &[422], &["NUL"]),
            (&long, long.as_bytes(), &[413, 422], &["1025", "1024"]),
            ("", b"", &[422], &["empty"]),
        ] {
            if (in_url.is_empty() && route.takes_prefix())
                || (!route.line.contains("KEY") && !route.has_json_key())
            {
                continue;
            }
            let request = route.with(in_url, in_json);
            let bytes = request.bytes();
            server.refuses(request, bytes, statuses, words).await;
        }
        let unknown = route.good().with_parameter("hushed=1");
        let bytes = unknown.bytes();
        server
            .refuses(unknown, bytes, &[422], &["`hushed`", "known here"])
            .await;
        if let Some((_, query)) = route.line.split_once('?') {
            for parameter in query.split('&') {
                let doubled = route.good().with_parameter(parameter);
                let bytes = doubled.bytes();
                server
                    .refuses(doubled, bytes, &[422], &["more than once"])
                    .await;
            }
        }
    }
    server.finish(0, &[]).await;
}

#[tokio::test]
async fn bad_conditions_and_positions_are_refused_on_every_route() {
    let mut server = Refusals::start(&[]);
    for route in ROUTES {
        // Those that have no entry, or many, that a condition could be about.
        let reads = route.line.starts_with("GET");
        if (reads && !route.line.contains("/kv")) || route.line.contains("/tokens") {
            continue;
        }
        for header in [
            "If-Match: hush",
            "If-Match: \"hush",
            "If-None-Match: \"hush",
        ] {
            let request = route.good().with_header(header);
            let bytes = request.bytes();
            server
                .refuses(request, bytes, &[400], &["malformed_condition"])
                .await;
        }
        if !reads {
            for headers in [
                "If-Match: \"1\"\r\nIf-None-Match: *",
                "If-None-Match: \"1\"",
                "If-Match: \"1\"\r\nIf-Match: \"2\"",
                "If-Unmodified-Since: Mon, 23 Nov 2026 00:00:00 GMT",
                "If-Range: \"1\"",
            ] {
                let request = route.good().with_header(headers);
                let bytes = request.bytes();
                server
                    .refuses(request, bytes, &[400], &["malformed_condition"])
                    .await;
            }
        }
    }
    for path in ["/batch", "/transaction"] {
        for condition in [
            r#""if_match":"hush""#,
            r#""if_match":1"#,
            r#""if_match":"\"1\"""#,
            r#""if_none_match":"1""#,
            r#""if_match":"1","if_none_match":"*""#,
            r#""if_modified":"*""#,
        ] {
            let mut request = route("POST", JSON, "").good();
            request.line = format!("POST {path}");
            request.name = format!("{path} {condition}");
            request.body = format!(r#"{{"operations":[{{"op":"delete","key":"k",{condition}}}]}}"#)
                .into_bytes();
            let bytes = request.bytes();
            server
                .refuses(request, bytes, &[422], &["operations[0]"])
                .await;
        }
    }
    let other = Cursor::new(
        &Prefix::new("other").unwrap(),
        None,
        "other/k".parse().unwrap(),
    );
    let other = other.to_string();
    for (line, headers, words) in [
        (
            format!("GET /keys?prefix=k&cursor={other}"),
            "",
            "another query",
        ),
        (
            format!("GET /keys?count=true&prefix=k&cursor={other}"),
            "",
            "another query",
        ),
        (
            format!("GET /keys?prefix=other&delimiter=/&cursor={other}"),
            "",
            "another query",
        ),
        (
            format!("DELETE /keys?prefix=k&confirm=k&cursor={other}"),
            "",
            "another query",
        ),
        ("GET /keys?cursor=hush".to_owned(), "", "malformed"),
        ("GET /keys?cursor=".to_owned(), "", "malformed"),
        (
            "DELETE /keys?prefix=k&confirm=k&cursor=hush".to_owned(),
            "",
            "malformed",
        ),
        ("GET /watch?since=hush".to_owned(), "", "malformed"),
        (
            "GET /watch?since=hush".to_owned(),
            "Accept: application/json\r\n",
            "malformed",
        ),
        (
            "GET /watch".to_owned(),
            "Last-Event-ID: hush\r\n",
            "malformed",
        ),
        (
            "GET /watch?limit=hush".to_owned(),
            "Accept: application/json\r\n",
            "`limit`",
        ),
        (
            "GET /watch?wait=hush".to_owned(),
            "Accept: application/json\r\n",
            "`wait`",
        ),
        ("GET /keys?limit=hush".to_owned(), "", "`limit`"),
        ("GET /keys?include=hush".to_owned(), "", "`include`"),
        (
            "POST /import?on_conflict=hush".to_owned(),
            LINES,
            "conflict",
        ),
    ] {
        let mut request = route("", headers, "").good();
        request.name.clone_from(&line);
        request.line = line;
        let bytes = request.bytes();
        server.refuses(request, bytes, &[422], &[words]).await;
    }
    server.finish(0, &[]).await;
}

#[tokio::test]
async fn bad_bodies_are_refused_on_every_route() {
    let options = ["--head-timeout", "1s", "--body-timeout", "300ms"];
    let mut server = Refusals::start(&options);
    let with_body = ROUTES.iter().filter(|route| !route.body.is_empty());
    for route in with_body.clone() {
        if route.body.contains("VALUE") {
            let mut request = route.good().with_value(&"v".repeat(MAX_VALUE_BYTES + 1));
            if route.line.contains("prefix") {
                request = Route {
                    line: "POST /import",
                    ..*route
                }
                .good()
                .with_value(&"v".repeat(MAX_VALUE_BYTES + 1));
            }
            // The connection is usable after.
            let connection = client();
            let (method, path) = request.line.split_once(' ').unwrap();
            let url = format!("{}{path}", server.process.url());
            let put = connection
                .request(method.parse().unwrap(), url)
                .bearer_auth(ROOT);
            let headers = request.headers.lines();
            let headers = headers.filter_map(|header| header.split_once(": "));
            let put = headers.fold(put, |put, (name, value)| put.header(name, value));
            let answer = put.body(request.body.clone()).send().await.unwrap();
            let livez = format!("{}/livez", server.process.url());
            let status = answer.status().as_u16();
            let mut problem: Value = answer.json().await.unwrap();
            if path == "/batch" {
                assert_eq!(status, 200, "{problem}");
                problem = problem["results"][0]["error"].clone();
            } else {
                assert_eq!(status, 413, "{}: {problem}", request.name);
            }
            assert_eq!(problem["code"], "too_large", "{}: {problem}", request.name);
            let numbers = (&problem["limit"], &problem["actual"]);
            assert_eq!(
                numbers,
                (&json!(1024), &json!(1025)),
                "{}: {problem}",
                request.name
            );
            assert_eq!(connection.get(livez).send().await.unwrap().status(), 200);
            server.has_stored_nothing(&request.name).await;
        }
        let request = route.good();
        let half = &request.body[..request.body.len() / 2];
        let truncated = [request.head(request.body.len()).as_bytes(), half].concat();
        server
            .refuses(route.good(), truncated, &[400], &["incomplete_body"])
            .await;

        let both = route.good().with_header("Transfer-Encoding: chunked");
        let answer = server.exchange(&both.bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 "),
            "{}: {answer}",
            both.name
        );
        server.has_stored_nothing(&both.name).await;
    }

    // What is slow is slow at once, or it takes long.
    let slow = with_body.map(|route| {
        let request = route.good();
        let half = &request.body[..request.body.len() / 2];
        let bytes = [request.head(request.body.len()).as_bytes(), half].concat();
        (request.name, bytes)
    });
    let address = server.process.address;
    let wait = |bytes: Vec<u8>| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        read_to_end(&mut stream).await
    };
    let answers = slow.map(|(name, bytes)| async { (name, wait(bytes).await) });
    for (name, answer) in join_all(answers).await {
        server
            .judge(&name, &answer, &[408], &["request_timeout"])
            .await;
    }
    let slow = ROUTES.iter().map(|route| {
        let request = route.good();
        let mut bytes = request.head(request.body.len()).into_bytes();
        bytes.truncate(bytes.len() - 3);
        async { (request.name, wait(bytes).await) }
    });
    for (name, answer) in join_all(slow).await {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{name}: {answer}");
        server.has_stored_nothing(&name).await;
    }

    let padding = format!("X-Padding: {}", "x".repeat(10 << 20));
    for route in ROUTES {
        let request = route.good().with_header(&padding);
        let answer = server.exchange(&request.bytes()).await;
        // A reset may overtake the answer: the server does not read what it does not want.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{}: {answer}",
            request.name
        );
        server.has_stored_nothing(&request.name).await;
    }
    server.finish(0, &[]).await;
}

#[tokio::test]
async fn bad_tokens_are_refused_on_every_route() {
    let mut server = Refusals::start(&[]);
    let everything = ["read", "write", "delete", "list", "watch", "admin"];
    let new = json!({"name": "made by the test", "scopes": [{"verbs": everything}], "ttl": "1s"});
    let expired = server.send(Method::POST, "/tokens", new.clone()).await;
    let revoked = server.send(Method::POST, "/tokens", new).await;
    let id = revoked["id"].as_str().unwrap();
    server
        .send(Method::DELETE, &format!("/tokens/{id}"), Value::Null)
        .await;
    let (expired, revoked) = (
        expired["token"].as_str().unwrap(),
        revoked["token"].as_str().unwrap(),
    );
    let own = format!("{}/tokens/self", server.process.url());
    let (mut tick, started) = (interval(Duration::from_millis(50)), Instant::now());
    for token in [expired, revoked] {
        while client()
            .get(&own)
            .bearer_auth(token)
            .send()
            .await
            .unwrap()
            .status()
            != 401
        {
            assert!(started.elapsed() < DEADLINE, "the token stays valid");
            tick.tick().await;
        }
    }
    for route in ROUTES {
        for token in [expired, revoked] {
            let request = route.good().with_token(token);
            let bytes = request.bytes();
            server
                .refuses(request, bytes, &[401], &["invalid_token"])
                .await;
        }
        for parameter in [format!("token={ROOT}"), format!("access_token={ROOT}")] {
            let request = route.good().with_parameter(&parameter);
            let bytes = request.bytes();
            server
                .refuses(request, bytes, &[400], &["token_in_url"])
                .await;
        }
        if route.line.contains("KEY") {
            let request = route.with(ROOT, b"hush");
            let bytes = request.bytes();
            server
                .refuses(request, bytes, &[400], &["token_in_url"])
                .await;
        }
    }
    let secrets = [expired, revoked].map(|token| token.rsplit('_').next().unwrap());
    server.finish(0, &secrets).await;
}
