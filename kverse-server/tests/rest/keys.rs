//! `/keys`, page by page.

use kverse_core::{Key, KvStoreExt};
use serde_json::{Value, json};

use crate::common::Server;

async fn server(keys: &[&str]) -> Server {
    let server = Server::start();
    for key in keys {
        let key: Key = key.parse().unwrap();
        server.store.put(&key, format!("<{key}>")).await.unwrap();
    }
    server
}

async fn list(server: &Server, query: &str) -> Value {
    let response = server.get(&format!("/keys{query}")).send().await.unwrap();
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    assert_eq!(status, 200, "{query}: {body}");
    body
}

fn keys(page: &Value) -> Vec<&str> {
    let keys = page["keys"].as_array().unwrap();
    keys.iter()
        .map(|key| key["key"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_entry_has_everything_but_the_value() {
    let server = server(&[]).await;
    let put = server
        .put("/kv/k?ttl=1m", "v")
        .header("Content-Type", "text/plain");
    put.send().await.unwrap();
    let expected = json!({
        "keys": [{
            "key": "k",
            "version": "1767225600000000",
            "size": 1,
            "content_type": "text/plain",
            "expires_at": "2026-01-01T00:01:00.000000Z"
        }],
        "common_prefixes": [],
        "cursor": null
    });
    assert_eq!(list(&server, "").await, expected);
    let with_value = list(&server, "?include=value").await;
    assert_eq!(with_value["keys"][0]["value"], "v");
}

#[tokio::test]
async fn a_listing_goes_on_where_it_stopped() {
    let server = server(&["a", "u/1", "u/2", "u/3", "u/é", "v"]).await;
    let mut found: Vec<String> = Vec::new();
    let mut cursor = String::new();
    for _ in 0..3 {
        let page = list(&server, &format!("?prefix=u/&limit=2{cursor}")).await;
        found.extend(keys(&page).into_iter().map(str::to_owned));
        let Some(next) = page["cursor"].as_str() else {
            break;
        };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, ["u/1", "u/2", "u/3", "u/é"]);
    assert_eq!(
        keys(&list(&server, "?start_after=u/2").await),
        ["u/3", "u/é", "v"]
    );
    assert_eq!(keys(&list(&server, "?prefix=none").await), [""; 0]);

    let page = list(&server, "?prefix=u/&limit=2").await;
    let cursor = page["cursor"].as_str().unwrap();
    for query in [
        &format!("cursor={cursor}"),
        &format!("prefix=u/&cursor={cursor}&start_after=a"),
        "cursor=xyz",
        "limit=0",
        "limit=-1",
        "limit=x",
        "include=all",
        "include=value&include=value",
        "delimiter=/",
        "prefix=%00",
        "start_after=",
    ] {
        let refused = server.get(&format!("/keys?{query}")).send().await.unwrap();
        assert_eq!(refused.status(), 422, "{query}");
    }
    let refused = server.get("/keys?limit=1001").send().await.unwrap();
    assert_eq!(refused.status(), 413);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(
        (&problem["limit"], &problem["actual"]),
        (&json!(1000), &json!(1001))
    );
}
