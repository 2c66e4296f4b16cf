//! The feed a page at a time.

use std::time::{Duration, Instant};

use kverse_core::{ChangeKind, ChangesOptions, ErrorKind, KvStore, KvStoreExt, Prefix};
use serde_json::Value;

use crate::server::Server;

async fn page(server: &Server, query: &str) -> Value {
    let request = server.get(&format!("/watch{query}"));
    let answer = request.header("Accept", "application/json").send().await;
    answer
        .unwrap()
        .error_for_status()
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test]
async fn pages_follow_each_other() {
    let server = Server::start(&[]);
    let start = page(&server, "").await;
    assert_eq!(start["changes"].as_array().unwrap().len(), 0);
    let mut versions = Vec::new();
    for number in 0..5 {
        versions.push(server.put(&format!("a/{number}"), "x").await.to_string());
        server.put("b", "x").await;
    }
    let mut position = start["position"].clone();
    let mut told = Vec::new();
    loop {
        let since = position.as_str().unwrap();
        let page = page(&server, &format!("?prefix=a/&limit=2&since={since}")).await;
        for change in page["changes"].as_array().unwrap() {
            assert_eq!(change["event"], "put");
            told.push(change["version"].as_str().unwrap().to_owned());
        }
        position = page["position"].clone();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(told, versions);
}

#[tokio::test]
async fn a_page_is_waited_for() {
    let server = Server::start(&[]);
    let since = page(&server, "?wait=30s").await["position"]
        .as_str()
        .unwrap()
        .to_owned();
    let started = Instant::now();
    let quiet = page(&server, &format!("?wait=300ms&since={since}")).await;
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(quiet["changes"].as_array().unwrap().len(), 0);
    let query = format!("?prefix=a&wait=30s&since={since}");
    let waiting = page(&server, &query);
    let write = async {
        server.until("kverse_watchers ", 1.0).await;
        server.put("b", "x").await;
        server.put("a", "x").await
    };
    let (page, version) = tokio::join!(waiting, write);
    assert_eq!(page["changes"][0]["key"], "a");
    assert_eq!(page["changes"][0]["version"], version.to_string());
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn the_http_store_reads_pages() {
    let server = Server::start(&[]);
    let store = server.store();
    let options = ChangesOptions::new(Prefix::default());
    let start = store.changes(options.clone()).await.unwrap().position;
    let key = "k".parse().unwrap();
    let version = store.put(&key, "x").await.unwrap().version;
    store.delete(&key).await.unwrap();
    let since = options
        .with_since(Some(start))
        .with_wait(Duration::from_secs(30));
    let page = store.changes(since.clone()).await.unwrap();
    assert_eq!(page.changes[0].version, version);
    assert_eq!(page.changes[1].kind, ChangeKind::Delete);
    assert_eq!(page.changes[1].position, page.position);
    let error = store
        .changes(since.clone().with_limit(1001))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let elsewhere = kverse_core::ChangePosition::new(1, 2, 3, 4);
    let error = store
        .changes(since.with_since(Some(elsewhere)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Gone);
}
