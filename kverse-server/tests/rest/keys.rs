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
        "delimiter=",
        "delimiter=%00",
        &format!("prefix=u/&delimiter=/&cursor={cursor}"),
        "max_bytes=0",
        "max_bytes=x",
        "count=1",
        "count=true&limit=1",
        "count=true&delimiter=/",
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

#[tokio::test]
async fn folders_are_listed_once_and_can_be_walked_through() {
    let server = server(&["a/1", "a/2", "a/b/1", "b", "c/1", "d"]).await;
    let page = list(&server, "?delimiter=/").await;
    assert_eq!(keys(&page), ["b", "d"]);
    assert_eq!(page["common_prefixes"], json!(["a/", "c/"]));
    assert_eq!(page["cursor"], Value::Null);
    let page = list(&server, "?prefix=a/&delimiter=/").await;
    assert_eq!(keys(&page), ["a/1", "a/2"]);
    assert_eq!(page["common_prefixes"], json!(["a/b/"]));

    let (mut found, mut cursor) = (Vec::new(), String::new());
    for _ in 0..4 {
        let page = list(&server, &format!("?delimiter=/&limit=1{cursor}")).await;
        found.extend(keys(&page).into_iter().map(str::to_owned));
        let folders = page["common_prefixes"].as_array().unwrap();
        found.extend(
            folders
                .iter()
                .map(|folder| folder.as_str().unwrap().to_owned()),
        );
        let Some(next) = page["cursor"].as_str() else {
            break;
        };
        assert!(next.len() < 40, "{next}");
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, ["a/", "b", "c/", "d"]);
}

#[tokio::test]
async fn a_page_ends_at_its_bytes() {
    let server = server(&["k1", "k2", "k3"]).await;
    let page = list(&server, "?max_bytes=3").await;
    assert_eq!(keys(&page), ["k1", "k2"]);
    let page = list(&server, "?max_bytes=3&include=value").await;
    assert_eq!(keys(&page), ["k1"]);
    assert!(page["cursor"].is_string());
    let refused = server.get("/keys?max_bytes=4194305").send().await.unwrap();
    assert_eq!(refused.status(), 413);
}

#[tokio::test]
async fn keys_are_counted_without_being_listed() {
    let server = server(&["a", "a/1", "a/2", "b"]).await;
    for (query, expected) in [
        ("?count=true", 4),
        ("?count=true&prefix=a/", 2),
        ("?count=true&prefix=a&start_after=a/1", 1),
        ("?count=true&prefix=c", 0),
    ] {
        let counted = list(&server, query).await;
        assert_eq!(
            counted,
            json!({"count": expected, "cursor": null}),
            "{query}"
        );
    }
    assert_eq!(keys(&list(&server, "?count=false").await).len(), 4);
}

#[tokio::test]
async fn many_keys_are_deleted_only_if_it_is_confirmed() {
    let server = server(&["a", "a/1", "a/2", "a0", "b"]).await;
    for query in [
        "",
        "?prefix=a/",
        "?confirm=a/",
        "?prefix=a/&confirm=a",
        "?prefix=a/&confirm=",
        "?prefix=&confirm=",
        "?prefix=a/&confirm=a/&cursor=xyz",
        "?prefix=a/&confirm=a/&limit=1",
    ] {
        let refused = server
            .delete(&format!("/keys{query}"))
            .send()
            .await
            .unwrap();
        assert_eq!(refused.status(), 422, "{query}");
    }
    let conditional = server
        .delete("/keys?prefix=a/&confirm=a/")
        .header("If-Match", "*");
    assert_eq!(conditional.send().await.unwrap().status(), 400);
    assert_eq!(server.items().await, 5);

    let deleted = server
        .delete("/keys?prefix=a/&confirm=a/")
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.status(), 200);
    let deleted: Value = deleted.json().await.unwrap();
    assert_eq!(deleted, json!({"deleted": 2, "cursor": null}));
    assert_eq!(keys(&list(&server, "").await), ["a", "a0", "b"]);
    let deleted = server
        .delete("/keys?prefix=&confirm=*")
        .send()
        .await
        .unwrap();
    let deleted: Value = deleted.json().await.unwrap();
    assert_eq!(deleted["deleted"], 3);
    assert_eq!(server.items().await, 0);
}
