//! What each verb covers.

use kverse_store::tokens::Verb;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{ROOT, Server, problem};

/// A request, and the verbs that it needs for `a/`.
const REQUESTS: [(&str, &str, &str, &[Verb]); 29] = [
    ("GET", "/kv/a/k", "", &[Verb::Read]),
    ("HEAD", "/kv/a/k", "", &[Verb::Read]),
    ("GET", "/kv?key=a/k", "", &[Verb::Read]),
    ("PUT", "/kv/a/k", "v", &[Verb::Write]),
    ("PUT", "/kv?key=a/k", "v", &[Verb::Write]),
    ("PUT", "/kv", r#"{"key":"a/k","value":"v"}"#, &[Verb::Write]),
    ("PATCH", "/kv/a/k?ttl=90s", "", &[Verb::Write]),
    ("PATCH", "/kv?key=a/k&ttl=90s", "", &[Verb::Write]),
    ("GET", "/keys?prefix=a/&delimiter=/", "", &[Verb::List]),
    ("GET", "/keys?prefix=a/&count=true", "", &[Verb::List]),
    (
        "DELETE",
        "/keys?prefix=a/&confirm=a/",
        "",
        &[Verb::List, Verb::Delete],
    ),
    ("HEAD", "/kv?key=a/k", "", &[Verb::Read]),
    ("DELETE", "/kv/a/k", "", &[Verb::Delete]),
    ("DELETE", "/kv?key=a/k", "", &[Verb::Delete]),
    ("GET", "/keys?prefix=a/", "", &[Verb::List]),
    ("GET", "/keys?prefix=a/b", "", &[Verb::List]),
    (
        "GET",
        "/keys?prefix=a/&include=value",
        "",
        &[Verb::List, Verb::Read],
    ),
    (
        "POST",
        "/transaction",
        r#"{"operations":[{"op":"get","key":"a/k"}]}"#,
        &[Verb::Read],
    ),
    (
        "POST",
        "/transaction",
        r#"{"operations":[{"op":"put","key":"a/k","value":"v"},{"op":"delete","key":"a/k"}]}"#,
        &[Verb::Write, Verb::Delete],
    ),
    ("HEAD", "/watch?prefix=a/", "", &[Verb::Watch]),
    (
        "HEAD",
        "/watch?prefix=a/&include=value",
        "",
        &[Verb::Watch, Verb::Read],
    ),
    ("GET", "/export?prefix=a/", "", &[Verb::List, Verb::Read]),
    (
        "POST",
        "/import?prefix=a/",
        r#"{"key":"a/k","value":"v"}"#,
        &[Verb::Write],
    ),
    ("GET", "/stats", "", &[Verb::Monitor]),
    ("GET", "/metrics", "", &[Verb::Monitor]),
    ("GET", "/tokens", "", &[Verb::Admin]),
    (
        "POST",
        "/tokens",
        r#"{"name":"t","scopes":[]}"#,
        &[Verb::Admin],
    ),
    ("DELETE", "/tokens/abc", "", &[Verb::Admin]),
    ("POST", "/tokens/abc/rotate", "", &[Verb::Admin]),
];

async fn ask(server: &Server, token: &str, method: &str, path: &str, body: &'static str) -> u16 {
    let method: Method = method.parse().unwrap();
    let mut request = server.request(method, path, token).body(body);
    if path.starts_with("/import") {
        request = request.header("Content-Type", "application/x-ndjson");
    } else if body.starts_with('{') {
        request = request.header("Content-Type", "application/json");
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn each_request_needs_its_verbs_and_no_other() {
    let server = Server::start(&[]);
    for (method, path, body, needed) in REQUESTS {
        let prefix = if needed.iter().any(|verb| verb.is_about_the_service()) {
            ""
        } else {
            "a/"
        };
        let token = |verbs: Vec<Verb>| {
            let scopes: Vec<Value> = verbs
                .into_iter()
                .map(|verb| {
                    let prefix = if verb.is_about_the_service() {
                        ""
                    } else {
                        prefix
                    };
                    json!({"verbs": [verb], "prefix": prefix})
                })
                .collect();
            server.token(json!(scopes))
        };
        server.put("/kv/a/k", ROOT).await;
        let enough = token(needed.to_vec()).await;
        let status = ask(&server, &enough, method, path, body).await;
        // 404: the id is nobody's.
        assert!(status < 300 || status == 404, "{method} {path}: {status}");
        for missing in needed {
            let others = Verb::ALL.into_iter().filter(|verb| verb != missing);
            let others = token(others.collect()).await;
            let status = ask(&server, &others, method, path, body).await;
            assert_eq!(status, 403, "{method} {path} without {missing}");
        }
    }
}

#[tokio::test]
async fn a_refusal_names_the_verb_and_not_whether_the_key_exists() {
    let server = Server::start(&[]);
    server.put("/kv/b/there", ROOT).await;
    let token = server
        .token(json!([{"verbs": ["list"], "prefix": ""}]))
        .await;
    let (status, there) = problem(server.get("/kv/b/there", &token).await).await;
    assert_eq!((status, &there["code"]), (403, &json!("forbidden_read")));
    let refused = server.get("/kv/b/not-there", &token).await;
    assert_eq!(
        refused.headers()["www-authenticate"],
        r#"Bearer realm="kverse", error="insufficient_scope", scope="read""#
    );
    assert_eq!(problem(refused).await, (403, there));
}

#[tokio::test]
async fn a_list_lies_within_the_prefix_that_is_granted() {
    let server = Server::start(&[]);
    for key in ["a", "a/1", "a/b/2", "b"] {
        server.put(&format!("/kv/{key}"), ROOT).await;
    }
    let token = server
        .token(json!([{"verbs": ["list"], "prefix": "a/"}]))
        .await;
    for wider in [
        "",
        "?prefix=a",
        "?prefix=b",
        "?start_after=a/",
        "?prefix=b&start_after=b",
    ] {
        let (status, refused) = problem(server.get(&format!("/keys{wider}"), &token).await).await;
        assert_eq!(
            (status, &refused["code"]),
            (403, &json!("forbidden_list")),
            "{wider}"
        );
    }
    for (within, expected) in [("a/", 2), ("a/b", 1), ("a/b/2", 1), ("a/c", 0)] {
        let page = server.get(&format!("/keys?prefix={within}"), &token).await;
        let page: Value = page.json().await.unwrap();
        assert_eq!(page["keys"].as_array().unwrap().len(), expected, "{within}");
    }
}

#[tokio::test]
async fn operations_are_judged_one_by_one() {
    let server = Server::start(&[]);
    server.put("/kv/b/k", ROOT).await;
    let scopes = json!([
        {"verbs": ["read", "write"], "prefix": "a/"},
        {"verbs": ["read"], "prefix": "b/"},
    ]);
    let token = server.token(scopes).await;
    let operations = json!({"operations": [
        {"op": "get", "key": "b/k"},
        {"op": "get", "key": "c/k"},
        {"op": "get", "key": "b/k"},
        {"op": "put", "key": "b/k", "value": "changed"},
        {"op": "put", "key": "a/k", "value": "new"},
        {"op": "put", "key": "c/k", "value": "new"},
        {"op": "put", "key": "a/l", "value": "new"},
        {"op": "delete", "key": "a/k"},
    ]});
    let answer = server.post("/batch", &token, &operations).await;
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    let results = answer["results"].as_array().unwrap();
    let statuses: Vec<_> = results.iter().map(|result| &result["status"]).collect();
    assert_eq!(statuses, [200, 403, 200, 403, 201, 403, 201, 403]);
    assert_eq!(results[1]["error"]["code"], "forbidden_read");
    assert_eq!(results[3]["error"]["code"], "forbidden_write");
    assert_eq!(results[7]["error"]["code"], "forbidden_delete");

    let transaction = json!({"operations": [
        {"op": "put", "key": "a/m", "value": "new"},
        {"op": "delete", "key": "a/k"},
    ]});
    let (status, refused) = problem(server.post("/transaction", &token, &transaction).await).await;
    assert_eq!(
        (status, &refused["code"]),
        (403, &json!("forbidden_delete"))
    );
    assert_eq!(refused["operation"], 1);
    for (key, status) in [("a/m", 404), ("a/k", 200), ("a/l", 200), ("c/k", 404)] {
        let found = server.get(&format!("/kv/{key}"), ROOT).await;
        assert_eq!(found.status(), status, "{key}");
    }
    let kept = server.get("/kv/b/k", ROOT).await;
    assert_eq!(kept.text().await.unwrap(), "v");
}
