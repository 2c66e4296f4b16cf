//! `/batch` and `/transaction`.

use std::sync::Arc;

use kverse_core::{Limits, ManualClock, MemoryStore};
use serde_json::{Value, json};

use crate::common::Server;

async fn post(server: &Server, path: &str, operations: Value) -> (u16, Value) {
    let body = json!({"operations": operations});
    let response = server.post(path, &body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}

fn statuses(answer: &Value) -> Vec<u64> {
    let results = answer["results"].as_array().unwrap();
    results
        .iter()
        .map(|result| result["status"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn operations_of_a_batch_are_done_in_order_each_on_its_own() {
    let server = Server::with_options(&["--max-value-bytes", "10"]);
    let (status, answer) = post(
        &server,
        "/batch",
        json!([
            {"op": "get", "key": "a"},
            {"op": "put", "key": "a", "value": "1", "content_type": "text/plain", "ttl": "90s"},
            {"op": "put", "key": "a", "value": "2", "if_none_match": "*"},
            {"op": "get", "key": "a"},
            {"op": "put", "key": "b", "value_base64": "/wA="},
            {"op": "put", "key": "b", "value": "12345678901"},
            {"op": "get", "key": "b"},
            {"op": "delete", "key": "a", "if_match": "*"},
            {"op": "delete", "key": "a"},
            {"op": "get", "key": "a"},
        ]),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(
        statuses(&answer),
        [404, 201, 412, 200, 201, 413, 200, 204, 404, 404],
        "{answer}"
    );
    let results = &answer["results"];
    assert_eq!(
        results[2]["error"]["current_version"],
        results[1]["version"]
    );
    assert_eq!(
        results[3],
        json!({
            "status": 200,
            "version": results[1]["version"],
            "value": "1",
            "content_type": "text/plain",
            "expires_at": "2026-01-01T00:01:30.000000Z"
        })
    );
    let (limit, actual) = (
        &results[5]["error"]["limit"],
        &results[5]["error"]["actual"],
    );
    assert_eq!((limit, actual), (&json!(10), &json!(11)));
    assert_eq!(results[6]["value_base64"], "/wA=");
}

#[tokio::test]
async fn an_empty_batch_does_nothing() {
    let server = Server::start();
    for path in ["/batch", "/transaction"] {
        assert_eq!(
            post(&server, path, json!([])).await,
            (200, json!({"results": []}))
        );
    }
}

#[tokio::test]
async fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    let server = Server::start();
    let (status, answer) = post(
        &server,
        "/transaction",
        json!([
            {"op": "put", "key": "a", "value": "1"},
            {"op": "get", "key": "a", "if_match": "*"},
            {"op": "delete", "key": "b"},
        ]),
    )
    .await;
    assert_eq!((status, statuses(&answer)), (200, vec![201, 200, 404]));
    assert_eq!(answer["results"][1]["value"], "1");
    let version = &answer["results"][0]["version"];

    let (status, problem) = post(
        &server,
        "/transaction",
        json!([
            {"op": "put", "key": "c", "value": "1"},
            {"op": "delete", "key": "a", "if_match": "1"},
        ]),
    )
    .await;
    assert_eq!(status, 409);
    assert_eq!(problem["code"], "conflict");
    assert_eq!(problem["operation"], 1);
    assert_eq!(&problem["current_version"], version);
    assert_eq!(server.items().await, 1);
}

#[tokio::test]
async fn one_bad_operation_refuses_the_request() {
    let server = Server::start();
    let good = json!({"op": "put", "key": "good", "value": "1"});
    let long = "k".repeat(1025);
    let bad = [
        (
            json!({"op": "put", "key": "", "value": "1"}),
            "the key is empty",
        ),
        (json!({"op": "put", "key": "a\u{0}b", "value": "1"}), "NUL"),
        (json!({"op": "put", "key": long, "value": "1"}), "1025"),
        (
            json!({"op": "put", "key": "k", "value": 1}),
            "expected a string",
        ),
        (json!({"op": "put", "key": "k"}), "value"),
        (
            json!({"op": "put", "key": "k", "value": "1", "value_base64": "MQ=="}),
            "exactly one",
        ),
        (
            json!({"op": "put", "key": "k", "value_base64": "*"}),
            "Base64",
        ),
        (
            json!({"op": "put", "key": "k", "value": "1", "tll": "1s"}),
            "tll",
        ),
        (
            json!({"op": "put", "key": "k", "value": "1", "ttl": "0"}),
            "time to live",
        ),
        (
            json!({"op": "put", "key": "k", "value": "1", "if_match": "x"}),
            "version",
        ),
        (json!({"op": "get", "key": "k", "value": "1"}), "put only"),
        (json!({"op": "swap", "key": "k"}), "swap"),
        (json!({"key": "k"}), "op"),
        (json!("get"), "expected"),
    ];
    for (operation, expected) in &bad {
        for path in ["/batch", "/transaction"] {
            let (status, problem) = post(&server, path, json!([good, operation])).await;
            assert_eq!(status, 422, "{operation}: {problem}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("operations[1]"), "{operation}: {detail}");
            assert!(detail.contains(expected), "{operation}: {detail}");
            assert_eq!(problem["operation"], 1);
        }
    }
    let conditional = json!([good, {"op": "get", "key": "k", "if_match": "*"}]);
    let (status, problem) = post(&server, "/batch", conditional).await;
    assert_eq!((status, &problem["operation"]), (422, &json!(1)));
    assert_eq!(server.items().await, 0);
}

#[tokio::test]
async fn a_batch_is_bounded() {
    let server = Server::start();
    let operations = vec![json!({"op": "put", "key": "k", "value": "1"}); 1001];
    for path in ["/batch", "/transaction"] {
        let (status, problem) = post(&server, path, json!(operations)).await;
        assert_eq!(status, 413);
        assert_eq!(
            (&problem["limit"], &problem["actual"]),
            (&json!(1000), &json!(1001))
        );
    }
    let operations = vec![json!({"op": "put", "key": "k", "value": "x".repeat(1 << 20)}); 17];
    let (status, problem) = post(&server, "/batch", json!(operations)).await;
    assert_eq!((status, &problem["limit"]), (413, &json!(16 << 20)));
    assert_eq!(server.items().await, 0);
}

#[tokio::test]
async fn the_values_of_an_answer_are_bounded() {
    let mut limits = Limits::default().with_max_value_bytes(10);
    limits.max_batch_bytes = 25;
    let store = MemoryStore::new(Arc::new(ManualClock::default()), limits);
    let server = Server::with_store(Arc::new(store), &[]);
    for key in ["a", "b", "c", "d"] {
        let put = server.put(&format!("/kv/{key}"), "1234567890").send();
        assert_eq!(put.await.unwrap().status(), 201);
    }
    let get = |key: &str| json!({"op": "get", "key": key});
    let put = json!({"op": "put", "key": "e", "value": "1"});
    let operations = [get("a"), get("b"), get("c"), put, get("none")];
    let (status, answer) = post(&server, "/batch", json!(operations)).await;
    // Operations of a batch stand alone: the write is done, and the client knows what is left to ask for.
    assert_eq!(status, 200);
    assert_eq!(statuses(&answer), [200, 200, 413, 201, 413], "{answer}");
    let error = &answer["results"][2]["error"];
    assert_eq!(
        (&error["limit"], &error["actual"]),
        (&json!(25), &json!(30)),
        "{error}"
    );

    let (status, problem) = post(&server, "/transaction", json!(operations)).await;
    assert_eq!((status, &problem["operation"]), (413, &json!(2)));
    assert_eq!(
        (&problem["limit"], &problem["actual"]),
        (&json!(25), &json!(30)),
        "{problem}"
    );
}
