//! The description of the API: the OpenAPI document, and a page that shows it and tries it out.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, EntityTag, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use utoipa_swagger_ui::Config;

use super::Answer;
use crate::error::Failure;
use crate::extract::query;
use crate::openapi;
use crate::openapi::problems::{InvalidInput, NotFound};
use crate::validators::{entity_tag, is_known};

/// The page. Its links are relative, for proxies that serve it below a path of their own.
const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>KVerse API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="stylesheet" href="docs/index.css">
<link rel="icon" href="docs/favicon-32x32.png">
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/swagger-ui-standalone-preset.js"></script>
<script src="docs/swagger-initializer.js"></script>
</html>
"#;

/// Nothing from elsewhere, and no script in the page itself. The styles are those that the script sets as it goes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document as it is sent, and its entity tag.
static DOCUMENT: LazyLock<serde_json::Result<(Bytes, EntityTag)>> = LazyLock::new(|| {
    let json = Bytes::from(openapi::json()?);
    let tag = entity_tag(&Sha256::digest(&json));
    Ok((json, tag))
});

/// This document
#[utoipa::path(
    method(get, head),
    path = "/openapi.json",
    operation_id = "get_openapi",
    tag = "pages",
    responses(
        (status = 200, description = "The OpenAPI document.", body = Object, headers(("ETag" = String))),
        (status = 304, description = "`If-None-Match` has its `ETag`."),
        InvalidInput,
    )
)]
pub(crate) async fn openapi(request: HttpRequest) -> Answer {
    let [] = query(&request, [])?;
    let (json, tag) = match &*DOCUMENT {
        Ok(document) => document,
        Err(error) => return Err(Failure::internal(error)),
    };
    let known = is_known(&request, tag);
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response.insert_header((ETAG, tag.to_string()));
    if known {
        return Ok(response.finish());
    }
    response.insert_header((CONTENT_TYPE, "application/json"));
    Ok(response.body(Bytes::clone(json)))
}

/// A page that shows this document and sends requests
#[utoipa::path(
    method(get, head),
    path = "/docs",
    operation_id = "get_docs",
    tag = "pages",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html"), InvalidInput)
)]
pub(crate) async fn page(request: HttpRequest) -> Answer {
    let [] = query(&request, [])?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(PAGE))
}

/// A script, style or image of the page
#[utoipa::path(
    method(get, head),
    path = "/docs/{file}",
    operation_id = "get_docs_file",
    tag = "pages",
    params(("file" = String, Path, description = "Its name.", example = "index.css")),
    responses((status = 200, description = "The file.", content(("*/*"))), InvalidInput, NotFound)
)]
pub(crate) async fn file(request: HttpRequest, file: Path<String>) -> Answer {
    let [] = query(&request, [])?;
    let config = Config::from("openapi.json").use_base_layout();
    let found = utoipa_swagger_ui::serve(&file, Arc::new(config));
    let Ok(Some(found)) = found else {
        return Err(Failure::route_not_found());
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, found.content_type))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(found.bytes.into_owned()))
}
