//! What `/` shows.

use actix_web::HttpResponse;
use actix_web::http::header;

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>KVerse</title>
<h1>KVerse</h1>
<p>This build has no dashboard. The service is used over HTTP:</p>
<pre>
curl -X PUT --data-binary 'hello' http://127.0.0.1:8000/kv/greeting
curl http://127.0.0.1:8000/kv/greeting
curl -X DELETE http://127.0.0.1:8000/kv/greeting
</pre>
<p>See also <a href="/keys">/keys</a>, <a href="/stats">/stats</a>, <a href="/limits">/limits</a>,
<a href="/readyz?verbose">/readyz?verbose</a> and <a href="/metrics">/metrics</a>; <a href="/docs">/docs</a> has
all of the interface.</p>
</html>
"#;

/// A page that says how to use the API
#[utoipa::path(
    method(get, head),
    path = "/",
    operation_id = "get_dashboard",
    tag = "pages",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"))
)]
pub(crate) async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(PAGE)
}
