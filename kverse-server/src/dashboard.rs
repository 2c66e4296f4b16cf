//! The dashboard: an application of one page, built from `web/` and part of the binary.

mod site;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    CROSS_ORIGIN_OPENER_POLICY, ETAG, HeaderMap, HeaderName, HeaderValue, PERMISSIONS_POLICY,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use crate::error::Failure;
use crate::extract::wants_page;
use crate::openapi::problems::NotFound;
use crate::state::State;
use crate::validators::is_known;

use self::site::File;
pub(crate) use self::site::Site;

/// Where the application has pages. What they show is in the query, which the server does not look at.
pub(crate) const PAGES: [&str; 6] = [
    "/",
    "/store",
    "/changes",
    "/status",
    "/transfer",
    "/sign-in",
];

/// The pattern of the files beside the page.
pub(crate) const FILE: &str = "/{file}";

/// Asked for again each time, and sent again when it has changed: it names the files that belong to it.
const REVALIDATED: &str = "no-cache";
/// A file whose name has a digest in it never changes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// What a page may do: nothing with code or styles but its own files, nothing with other servers, nothing in a frame.
/// Keys stand in its query, so it is named to nobody.
const PAGE_HEADERS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
         connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (REFERRER_POLICY, "no-referrer"),
    (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    (
        PERMISSIONS_POLICY,
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

/// A page of the dashboard
///
/// Where it leads is up to the application: all pages are one. Without a built dashboard it says how to use the API.
#[utoipa::path(
    method(get, head),
    path = "/",
    operation_id = "get_dashboard",
    tag = "pages",
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html", headers(("ETag" = String))),
        (status = 304, description = "`If-None-Match` has its `ETag`."),
    )
)]
pub(crate) async fn page(request: HttpRequest, state: Data<State>) -> HttpResponse {
    answer_page(&request, &state, StatusCode::OK)
}

/// A script, style, font or image of the dashboard
///
/// Its name changes with what is in it. It comes compressed to whoever accepts that.
#[utoipa::path(
    method(get, head),
    path = "/assets/{file}",
    operation_id = "get_asset",
    tag = "pages",
    params(("file" = String, Path, description = "Its name.", example = "index-4f0c2a91.js")),
    responses(
        (status = 200, description = "The file.", content(("*/*")), headers(("ETag" = String))),
        (status = 304, description = "`If-None-Match` has its `ETag`."),
        NotFound,
    )
)]
pub(crate) async fn asset(
    request: HttpRequest,
    file: Path<String>,
    state: Data<State>,
) -> Result<HttpResponse, Failure> {
    let found = state.site.asset(&request, &file);
    let found = found.ok_or_else(Failure::route_not_found)?;
    Ok(answer(&request, found, StatusCode::OK, IMMUTABLE))
}

/// A file beside the page, such as its icon. None of the API: which there are is the dashboard's business.
pub(crate) async fn file(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Failure> {
    let found = state.site.file(&request, request.uri().path());
    let found = found.ok_or_else(Failure::route_not_found)?;
    Ok(answer(&request, found, StatusCode::OK, REVALIDATED))
}

/// What is answered where nothing is: to a person, the application, which says so; to a program, a problem.
pub(crate) async fn not_found(
    request: HttpRequest,
    state: Data<State>,
) -> Result<HttpResponse, Failure> {
    if is_visit(request.method(), request.headers()) {
        return Ok(answer_page(&request, &state, StatusCode::NOT_FOUND));
    }
    Err(Failure::route_not_found())
}

/// Whether a browser asks that was led here, for something to show.
pub(crate) fn is_visit(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD) && wants_page(headers)
}

fn answer_page(request: &HttpRequest, state: &State, status: StatusCode) -> HttpResponse {
    let mut response = answer(request, state.site.page(request), status, REVALIDATED);
    for (name, value) in PAGE_HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// The file, unless the client has it already.
fn answer(request: &HttpRequest, file: File, status: StatusCode, caching: &str) -> HttpResponse {
    let is_known = status == StatusCode::OK && is_known(request, &file.tag);
    let mut response = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::build(status)
    };
    response
        .insert_header((ETAG, file.tag.to_string()))
        .insert_header((CACHE_CONTROL, caching))
        .insert_header((VARY, ACCEPT_ENCODING.as_str()));
    if is_known {
        return response.finish();
    }
    if let Some(encoding) = file.encoding {
        response.insert_header((CONTENT_ENCODING, encoding));
    }
    response
        .insert_header((CONTENT_TYPE, file.content_type))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(file.bytes)
}

#[cfg(test)]
mod tests;
