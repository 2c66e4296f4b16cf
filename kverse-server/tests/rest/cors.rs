//! Web pages of other origins.

use reqwest::Method;

use crate::common::Server;

#[tokio::test]
async fn pages_of_allowed_origins_may_call() {
    let server = Server::start();
    let origin = "http://localhost:5176";
    let preflight = |origin: &'static str| {
        let request = server
            .request(Method::OPTIONS, "/kv/k")
            .header("Origin", origin);
        let request = request.header("Access-Control-Request-Method", "PUT");
        request.header("Access-Control-Request-Headers", "if-match,idempotency-key")
    };
    let allowed = preflight(origin).send().await.unwrap();
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["access-control-allow-origin"], origin);
    let refused = preflight("http://evil.example").send().await.unwrap();
    assert!(
        !refused
            .headers()
            .contains_key("access-control-allow-origin")
    );

    let put = server
        .put("/kv/k", "v")
        .header("Origin", origin)
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 201);
    assert_eq!(put.headers()["access-control-allow-origin"], origin);
    assert!(
        !put.headers()
            .contains_key("access-control-allow-credentials")
    );
    let exposed = put.headers()["access-control-expose-headers"]
        .to_str()
        .unwrap();
    assert!(exposed.to_lowercase().contains("etag"), "{exposed}");

    let other = server
        .get("/kv/k")
        .header("Origin", "http://evil.example")
        .send()
        .await
        .unwrap();
    assert!(!other.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn a_page_cannot_post_without_asking_first() {
    let server = Server::start();
    // What a form of any page can send.
    let form = server
        .request(Method::POST, "/batch")
        .header("Content-Type", "text/plain");
    let body = r#"{"operations":[{"op":"put","key":"k","value":"v"}]}"#;
    assert_eq!(form.body(body).send().await.unwrap().status(), 415);
    assert_eq!(server.items().await, 0);
}
