//! What browsers are sent.

use std::sync::Arc;

use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::ServiceResponse;
use actix_web::http::header::{ACCEPT, ACCEPT_ENCODING, ALLOW, HeaderName, IF_NONE_MATCH};
use actix_web::test::{TestRequest, call_service, init_service};
use kverse_core::{KvStore, MemoryStore};
use kverse_store::Opened;

use super::*;
use crate::{Config, app, metrics};

/// An answer with its body as text.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }
}

/// What a server with this dashboard answers.
async fn ask(site: Site, options: &[&str], request: TestRequest) -> Answer {
    let store: Arc<dyn KvStore> = Arc::new(MemoryStore::default());
    let config = Config::try_from_args(options).unwrap();
    let metrics = metrics::registry().unwrap();
    let state = State::new(Opened::from(store), metrics, &config, site).unwrap();
    let app = init_service(app::app(&Data::new(state), &[])).await;
    let request = request.peer_addr(([127, 0, 0, 1], 1).into()).to_request();
    let response: ServiceResponse<BoxBody> = call_service(&app, request).await;
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: text(response.into_body()).await,
    }
}

async fn text(body: BoxBody) -> String {
    String::from_utf8(to_bytes(body).await.unwrap().to_vec()).unwrap()
}

fn get(path: &str) -> TestRequest {
    TestRequest::get().uri(path)
}

async fn built(request: TestRequest) -> Answer {
    ask(Site::fixture(), &[], request).await
}

const ASSET: &str = "/assets/index-4f0c2a91.js";

#[actix_web::test]
async fn every_page_is_the_one_page() {
    for path in PAGES {
        let answer = built(get(&format!("{path}?key=a%2Fb&any=thing"))).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains("The dashboard"), "{path}");
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert!(answer.header("permissions-policy").contains("camera=()"));
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"));
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

#[actix_web::test]
async fn what_the_client_has_is_not_sent_again() {
    for path in ["/store", ASSET, "/favicon.svg"] {
        let tag = built(get(path)).await.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.len() > 8, "{path}: {tag}");
        let again = built(get(path).insert_header((IF_NONE_MATCH, tag.as_str()))).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        assert_eq!(again.header("etag"), tag);
        assert_eq!(again.header("vary"), "accept-encoding");
        assert!(!again.header("cache-control").is_empty());
        let other = built(get(path).insert_header((IF_NONE_MATCH, "\"other\""))).await;
        assert_eq!(other.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn each_form_goes_to_who_accepts_it_under_a_tag_of_its_own() {
    let mut tags = Vec::new();
    for (accepted, encoding, body) in [
        ("", "", "plain"),
        ("gzip, deflate, br, zstd", "br", ": brotli"),
        ("gzip", "gzip", ": gzip"),
        ("br;q=0.5, gzip", "gzip", ": gzip"),
        ("br;q=0, gzip;q=0", "", "plain"),
        ("zstd", "", "plain"),
        ("identity, br;q=0.9", "", "plain"),
        ("identity;q=0, *;q=0", "", "plain"),
        ("br;q=nonsense", "", "plain"),
    ] {
        let request = get(ASSET).insert_header((ACCEPT_ENCODING, accepted));
        let answer = built(request).await;
        assert_eq!(answer.status, 200, "{accepted}");
        assert_eq!(answer.header("content-encoding"), encoding, "{accepted}");
        assert!(answer.body.contains(body), "{accepted}: {}", answer.body);
        assert_eq!(answer.header("vary"), "accept-encoding");
        assert_eq!(
            answer.header("content-type"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(
            answer.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        tags.push(answer.header("etag").to_owned());
    }
    assert_eq!(tags[0], tags[4]);
    assert_eq!(tags[2], tags[3]);
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3);
    let page = built(get("/").insert_header((ACCEPT_ENCODING, "br"))).await;
    assert_eq!(page.header("content-encoding"), "br");
}

#[actix_web::test]
async fn only_files_of_the_dashboard_are_served() {
    let icon = built(get("/favicon.svg")).await;
    assert_eq!(icon.status, 200);
    assert_eq!(icon.header("content-type"), "image/svg+xml");
    assert_eq!(icon.header("cache-control"), "no-cache");
    for path in [
        "/index.html",
        "/index.html.br",
        "/.hidden.txt",
        "/assets",
        "/assets/",
        "/assets/missing.js",
        "/assets/index-4f0c2a91.js.br",
        "/assets/index-4f0c2a91.js.gz",
        "/assets/..%2findex.html",
        "/assets/..%5cindex.html",
        "/assets/..",
        "/assets/%2e%2e/index.html",
        "/assets/../favicon.svg",
        "/assets/x%00.js",
        "/..%2fsite.rs",
        "/../site.rs",
        "//favicon.svg",
        "/fav%69con.svg",
    ] {
        let answer = built(get(path)).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{path}"
        );
    }
    let missing = built(get("/assets/missing.js").insert_header((ACCEPT, "text/html"))).await;
    assert_eq!(missing.header("content-type"), "application/problem+json");
}

#[actix_web::test]
async fn other_methods_are_refused() {
    for path in ["/store", ASSET, "/favicon.svg"] {
        let answer = built(TestRequest::post().uri(path)).await;
        assert_eq!(answer.status, 405, "{path}");
        assert_eq!(answer.header(ALLOW.as_str()), "GET, HEAD");
    }
}

/// What Chromium sends with the address of a page.
const PAGE_WANTED: (HeaderName, &str) = (
    ACCEPT,
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
);

#[actix_web::test]
async fn who_is_led_to_nothing_is_shown_the_page() {
    for options in [&[][..], &["--auth", "tokens"]] {
        for path in ["/nowhere", "/no/where", "/store/", "/missing.svg"] {
            let visit = |request: TestRequest| request.uri(path).insert_header(PAGE_WANTED);
            let answer = ask(Site::fixture(), options, visit(TestRequest::get())).await;
            assert_eq!(answer.status, 404, "{options:?} {path}");
            assert!(answer.body.contains("The dashboard"), "{path}");
            assert!(!answer.header("content-security-policy").is_empty());
            let post = ask(Site::fixture(), options, visit(TestRequest::post())).await;
            assert_ne!(post.header("content-type"), "text/html; charset=utf-8");
            let program = get(path).insert_header((ACCEPT, "*/*"));
            let answer = ask(Site::fixture(), options, program).await;
            assert_eq!(answer.header("content-type"), "application/problem+json");
        }
    }
}

#[actix_web::test]
async fn a_visit_is_no_way_around_a_token() {
    for path in [
        "/kv?key=a",
        "/kv/a",
        "/keys",
        "/stats",
        "/limits",
        "/metrics",
        "/tokens",
        "/watch",
    ] {
        let visit = get(path).insert_header(PAGE_WANTED);
        let answer = ask(Site::fixture(), &["--auth", "tokens"], visit).await;
        assert_eq!(answer.status, 401, "{path}");
    }
    let open = ask(Site::fixture(), &["--auth", "tokens"], get("/favicon.svg")).await;
    assert_eq!(open.status, 200);
}

#[actix_web::test]
async fn without_a_dashboard_the_pages_say_how_to_build_it() {
    for path in PAGES {
        let answer = ask(Site::not_built(), &[], get(path)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.contains("make run"), "{}", answer.body);
        assert!(answer.body.contains("curl"), "{}", answer.body);
        assert!(!answer.header("etag").is_empty());
    }
    let asset = ask(Site::not_built(), &[], get(ASSET)).await;
    assert_eq!(asset.status, 404);
}
