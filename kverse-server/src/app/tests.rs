//! Every route asks whether who asks may do it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use actix_web::body::to_bytes;
use actix_web::http::{Method, StatusCode};
use actix_web::test::{TestRequest, call_service, init_service};
use kverse_core::{KvStore, KvStoreExt, MemoryStore};
use kverse_store::Opened;
use kverse_store::tokens::NewToken;
use serde_json::Value;

use super::*;
use crate::{Config, openapi};

thread_local! {
    /// The paths of the routes, and their methods, as [`resource`] was told of them.
    pub(super) static ROUTES: RefCell<BTreeSet<(&'static str, &'static str)>> = const { RefCell::new(BTreeSet::new()) };
}

/// What everyone may ask for beside the pages, and what any token may.
const OPEN: [&str; 8] = [
    "/info",
    "/assets/{file}",
    "/livez",
    "/readyz",
    "/health",
    "/openapi.json",
    "/docs",
    "/docs/{file}",
];
const ANY_TOKEN: [&str; 2] = ["/limits", "/tokens/self"];

const PUT: &str = r#"{"key":"a/k","value":"v"}"#;
const TOKEN: &str = r#"{"name":"t","scopes":[]}"#;

/// A request that would succeed with a token for everything: path, type and body.
fn sample(method: &Method, route: &str) -> (String, &'static str, &'static str) {
    const JSON: &str = "application/json";
    let (path, content_type, body) = match (method.as_str(), route) {
        ("PUT", "/kv") => ("/kv", JSON, PUT),
        ("PATCH", "/kv") => ("/kv?key=a/k&ttl=90s", "", ""),
        (_, "/kv") => ("/kv?key=a/k", "", ""),
        ("PUT", "/kv/{key}") => ("/kv/a/k", "text/plain", "v"),
        ("DELETE", "/keys") => ("/keys?prefix=a/&confirm=a/", "", ""),
        ("PATCH", "/kv/{key}") => ("/kv/a/k?ttl=90s", "", ""),
        (_, "/kv/{key}") => ("/kv/a/k", "", ""),
        (_, "/import") => ("/import", "application/x-ndjson", PUT),
        ("POST", "/tokens") => ("/tokens", JSON, TOKEN),
        ("POST", "/batch" | "/transaction") => (
            route,
            JSON,
            r#"{"operations":[{"op":"get","key":"a/k"},{"op":"put","key":"a/k","value":"v"},{"op":"delete","key":"a/k"}]}"#,
        ),
        (_, "/assets/{file}") => ("/assets/index-4f0c2a91.js", "", ""),
        _ => (route, "", ""),
    };
    (
        path.replace("{id}", "abc").replace("{file}", "index.css"),
        content_type,
        body,
    )
}

fn request(method: &Method, route: &str, token: Option<&str>) -> TestRequest {
    let (path, content_type, body) = sample(method, route);
    let mut request = TestRequest::with_uri(&path)
        .method(method.clone())
        .peer_addr(([127, 0, 0, 1], 1).into());
    if !content_type.is_empty() {
        request = request.insert_header(("Content-Type", content_type));
    }
    if let Some(token) = token {
        request = request.insert_header(("Authorization", format!("Bearer {token}")));
    }
    request.set_payload(body)
}

/// Fails for a route that is added and does not ask, and for one of which this test knows no request: add a sample then.
#[actix_web::test]
async fn every_route_asks_for_authorization() {
    let store: Arc<dyn KvStore> = Arc::new(MemoryStore::default());
    let key = "a/k".parse().unwrap();
    store.put(&key, "a-value").await.unwrap();
    let before = store.get(&key).await.unwrap();
    let opened = Opened::from(Arc::clone(&store));
    let nothing = NewToken::new("nothing", Vec::new()).unwrap();
    let nothing = opened.tokens.create(nothing).await.unwrap();
    let nothing = nothing.secret.expose();
    let config = Config::try_from_args(["--auth", "tokens"]).unwrap();
    let metrics = crate::metrics::registry().unwrap();
    let state = Data::new(State::new(opened, metrics, &config, Site::fixture()).unwrap());
    let app = init_service(app(&state, &[])).await;
    let mut routes = ROUTES.with_borrow(BTreeSet::clone);
    routes.insert(("/kv/{key}", KEY));
    assert!(routes.len() > 10, "{routes:?}");

    for (route, methods) in routes {
        for method in methods.split(", ") {
            let method: Method = method.parse().unwrap();
            let anonymous = call_service(&app, request(&method, route, None).to_request()).await;
            let named = request(&method, route, Some(&nothing)).to_request();
            let named = call_service(&app, named).await;
            let statuses = (anonymous.status(), named.status());
            if OPEN.contains(&route) || dashboard::PAGES.contains(&route) {
                assert_eq!(
                    statuses,
                    (StatusCode::OK, StatusCode::OK),
                    "{method} {route}"
                );
                continue;
            }
            assert_eq!(statuses.0, StatusCode::UNAUTHORIZED, "{method} {route}");
            if ANY_TOKEN.contains(&route) {
                assert_eq!(statuses.1, StatusCode::OK, "{method} {route}");
            } else if route == "/batch" {
                let body = to_bytes(named.into_body()).await.unwrap();
                let body: Value = serde_json::from_slice(&body).unwrap();
                let results = body["results"].as_array().unwrap();
                let statuses: Vec<_> = results.iter().map(|result| &result["status"]).collect();
                assert_eq!(statuses, [403, 403, 403]);
            } else {
                assert_eq!(statuses.1, StatusCode::FORBIDDEN, "{method} {route}");
            }
        }
    }
    assert_eq!(store.get(&key).await.unwrap(), before);
}

#[test]
fn every_route_is_in_the_document_with_its_methods() {
    let metrics = HttpMetrics::new(&crate::metrics::registry().unwrap(), 1).unwrap();
    let _ = App::new()
        .configure(|services| routes(services, &metrics))
        .configure(|services| pages(services, &metrics, Site::fixture()));
    let mut served = ROUTES.with_borrow(BTreeSet::clone);
    served.insert(("/kv/{key}", KEY));
    let served: BTreeSet<String> = served
        .into_iter()
        .flat_map(|(path, methods)| {
            methods
                .split(", ")
                .map(move |method| format!("{method} {path}"))
        })
        .collect();
    let document: Value = serde_json::from_str(&openapi::json().unwrap()).unwrap();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            if method != "parameters" {
                described.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    assert_eq!(served, described);
}
