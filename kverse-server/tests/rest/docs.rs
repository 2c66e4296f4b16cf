//! The OpenAPI document and the page that shows it.

use serde_json::Value;

use crate::common::Server;

#[tokio::test]
async fn the_document_is_sent_once() {
    let server = Server::start();
    let answer = server.get("/openapi.json").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let tag = answer.headers()["etag"].clone();
    let document: Value = answer.json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let again = server.get("/openapi.json").header("If-None-Match", &tag);
    let again = again.send().await.unwrap();
    assert_eq!(again.status(), 304);
    assert_eq!(again.headers()["etag"], tag);
}

#[tokio::test]
async fn the_page_has_all_that_it_needs_and_runs_nothing_else() {
    let server = Server::start();
    let answer = server.get("/docs").send().await.unwrap();
    let policy = answer.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(
        policy.contains("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    let page = answer.text().await.unwrap();
    assert!(!page.contains("//"), "nothing from elsewhere: {page}");
    assert!(!page.contains("<script>"), "no script in the page: {page}");
    let links = page.split('"').filter(|text| text.starts_with("docs/"));
    let mut files = 0;
    for link in links {
        let file = server.get(&format!("/{link}")).send().await.unwrap();
        assert_eq!(file.status(), 200, "{link}");
        assert!(!file.bytes().await.unwrap().is_empty(), "{link}");
        files += 1;
    }
    assert_eq!(files, 6);
    let script = server
        .get("/docs/swagger-initializer.js")
        .send()
        .await
        .unwrap();
    let script = script.text().await.unwrap();
    assert!(script.contains(r#""url": "openapi.json""#), "{script}");
    let missing = server.get("/docs/missing.js").send().await.unwrap();
    assert_eq!(missing.status(), 404);
}
