//! The drop-in routes: the key in the query or in JSON, and the raw forms of the same path.

use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use kverse_core::{CacheStatus, Expiry, Key, KvStoreExt, PutOptions, Timestamp, Write};
use kverse_store::tokens::Verb;
use kverse_store::wire::{Ttl, parse_ttl};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::entry::{self, Found};
use super::{Answer, raw};
use crate::error::Failure;
use crate::extract::{
    body, content_type, is_json, parse_json, query, required_key, wants_bytes, with_conditions,
};
use crate::openapi::parameters::{KeyQuery, OptionalKeyQuery, ReadHeaders, TtlQuery, WriteHeaders};
use crate::openapi::problems::{
    BodyProblems, KeyReadProblems, KeyWriteProblems, NotFound, RequestTimeout,
};
use crate::openapi::schemas::{EntityTag, OkResponse, ValueResponse};
use crate::state::State;

/// What the JSON form of a put may have beside key and value, and its syntax, in bytes.
const JSON_OVERHEAD: usize = 4096;
/// What every put is answered with.
const STORED: &str = r#"{"status":"ok"}"#;

/// A key, the text to store under it, and how long.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"key": "greeting", "value": "hello"})))]
struct PutRequest {
    #[schema(value_type = Key)]
    key: String,
    /// Up to 1 MiB of UTF-8.
    value: String,
    /// Without it the entry lives for ever.
    #[serde(default)]
    #[schema(value_type = Option<Ttl>)]
    ttl: Option<String>,
}

/// Whether a key existed until now.
#[derive(Serialize, ToSchema)]
#[schema(examples(json!({"key": "greeting", "deleted": true})))]
struct DeleteResponse<'a> {
    #[schema(value_type = Key)]
    key: &'a str,
    deleted: bool,
}

/// Reads a value
///
/// As JSON; as it was stored, with its own content type, if `Accept` names `application/octet-stream`.
#[utoipa::path(
    method(get, head),
    path = "/kv",
    operation_id = "get_value",
    tag = "values",
    params(KeyQuery, ReadHeaders),
    responses(
        (
            status = 200,
            description = "The value, as JSON or as its bytes.",
            content((ValueResponse = "application/json"), ("*/*")),
            headers(("ETag" = EntityTag), ("KVerse-Cache" = CacheStatus), ("KVerse-Expires-At" = Timestamp)),
        ),
        (
            status = 304,
            description = "`If-None-Match` has the version of the key.",
            headers(("ETag" = EntityTag), ("KVerse-Cache" = CacheStatus), ("KVerse-Expires-At" = Timestamp)),
        ),
        KeyReadProblems,
    )
)]
pub(crate) async fn get(request: HttpRequest, state: Data<State>) -> Answer {
    let [key] = query(&request, ["key"])?;
    let key = required_key(key)?;
    if wants_bytes(request.headers()) {
        return raw::get_key(&request, &state, &key).await;
    }
    match entry::read(&request, &state, &key).await? {
        Found::NotModified(response) => Ok(response),
        Found::Entry(entry, mut response) => {
            response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
            Ok(response.body(value_json(&entry.value)?))
        }
    }
}

/// `{"data":{"value":"..."}}`, with the bytes as Base64 if they are not text.
fn value_json(value: &[u8]) -> Result<Vec<u8>, Failure> {
    #[derive(Serialize)]
    struct Response<V> {
        data: Value<V>,
    }
    #[derive(Serialize)]
    struct Value<V> {
        value: V,
        #[serde(skip_serializing_if = "Option::is_none")]
        encoding: Option<&'static str>,
    }
    fn json<V: Serialize>(
        value: V,
        encoding: Option<&'static str>,
        size: usize,
    ) -> serde_json::Result<Vec<u8>> {
        let mut json = Vec::with_capacity(size + 64);
        let data = Value { value, encoding };
        serde_json::to_writer(&mut json, &Response { data })?;
        Ok(json)
    }
    match std::str::from_utf8(value) {
        Ok(text) => json(text, None, text.len()),
        Err(_) => {
            let text = Base64Display::new(value, &STANDARD).to_string();
            let size = text.len();
            json(text, Some("base64"), size)
        }
    }
    .map_err(Failure::internal)
}

/// Stores a value
///
/// With a JSON body, which has key, value and time to live in it, or with the parameter `key` and the value as body in any
/// other type, with which it is served again. With `key`, a body of any type is the value, JSON too, if `Accept` names
/// `application/octet-stream`.
#[utoipa::path(
    put,
    path = "/kv",
    operation_id = "put_value",
    tag = "values",
    params(OptionalKeyQuery, TtlQuery, WriteHeaders),
    request_body(content(
        (PutRequest = "application/json"),
        ("application/octet-stream"),
    )),
    responses(
        (
            status = 200,
            description = "Stored; of a body that is the value: instead of another.",
            content((OkResponse = "application/json")),
            headers(("ETag" = EntityTag), ("KVerse-Expires-At" = Timestamp)),
        ),
        (
            status = 201,
            description = "Stored, of a body that is the value: the key did not exist.",
            content((OkResponse = "application/json")),
            headers(("ETag" = EntityTag), ("KVerse-Expires-At" = Timestamp)),
        ),
        KeyWriteProblems,
        BodyProblems,
    )
)]
pub(crate) async fn put(request: HttpRequest, payload: Payload, state: Data<State>) -> Answer {
    let [key, ttl] = query(&request, ["key", "ttl"])?;
    let content_type = content_type(&request)?;
    let is_value = wants_bytes(request.headers()) || !content_type.is_some_and(is_json);
    match (content_type, key) {
        (_, Some(key)) if is_value => {
            let key = required_key(Some(key))?;
            let stored = raw::put_key(&request, payload, &state, key, ttl.as_deref()).await?;
            // One path, one body, whatever was sent.
            let mut response = stored.set_body(BoxBody::new(STORED));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            Ok(response)
        }
        (_, Some(_)) => Err(Failure::invalid(
            "a JSON body has the key in it, not in the query; to store JSON as a value use /kv/{key}, or send \
             `Accept: application/octet-stream`",
        )),
        (Some(other), None) if !is_json(other) => Err(Failure::invalid(
            "expected a JSON body with `Content-Type: application/json`, or the parameter `key` for other types",
        )),
        (_, None) if ttl.is_some() => Err(Failure::invalid(
            "with a JSON body, `ttl` is a field of it, not a parameter of the query",
        )),
        (_, None) => put_json(&request, payload, &state).await,
    }
}

async fn put_json(request: &HttpRequest, payload: Payload, state: &State) -> Answer {
    let limit = State::json_bytes(state.limits.max_value_bytes + Key::MAX_BYTES) + JSON_OVERHEAD;
    let body = body(request, payload, "body", limit, state).await?;
    // Whatever is wrong with it is 422, as the clients of this route expect.
    let PutRequest { key, value, ttl } =
        parse_json(&body).map_err(|failure| Failure::invalid(failure.to_string()))?;
    let expiry = ttl.as_deref().map_or(Ok(Expiry::Never), parse_ttl)?;
    let key = Key::new(key)?;
    let store = state.authorize(request, Verb::Write, &key)?;
    let write = Write::put(key, value).with_options(PutOptions::default().with_expiry(expiry));
    let write = with_conditions(write, request.headers())?;
    let outcome = store.write_one(write).await?;
    let mut response = HttpResponse::Ok();
    entry::written(&mut response, &outcome);
    response.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/json")));
    Ok(response.body(STORED))
}

/// Changes when an entry ends, without its value
#[utoipa::path(
    patch,
    path = "/kv",
    operation_id = "touch_value",
    tag = "values",
    params(
        KeyQuery,
        ("ttl" = Ttl, Query, description = "How long the entry lives from now on.", example = "1h30m"),
        WriteHeaders,
    ),
    responses(
        (
            status = 200,
            description = "Changed.",
            headers(("ETag" = EntityTag), ("KVerse-Expires-At" = Timestamp)),
        ),
        KeyWriteProblems,
        NotFound,
        RequestTimeout,
    )
)]
pub(crate) async fn patch(request: HttpRequest, payload: Payload, state: Data<State>) -> Answer {
    let [key, ttl] = query(&request, ["key", "ttl"])?;
    let key = required_key(key)?;
    raw::touch_key(&request, payload, &state, key, ttl.as_deref()).await
}

/// Deletes a key
///
/// If `Accept` names `application/octet-stream`, as `DELETE /kv/{key}` does.
#[utoipa::path(
    delete,
    path = "/kv",
    operation_id = "delete_value",
    tag = "values",
    params(KeyQuery, WriteHeaders),
    responses(
        (status = 200, description = "The key does not exist any more.", body = DeleteResponse<'_>),
        (status = 204, description = "With `Accept: application/octet-stream`: deleted."),
        KeyWriteProblems,
        NotFound,
    )
)]
pub(crate) async fn delete(request: HttpRequest, state: Data<State>) -> Answer {
    let [key] = query(&request, ["key"])?;
    let key = required_key(key)?;
    if wants_bytes(request.headers()) {
        return raw::delete_key(&request, &state, key).await;
    }
    let store = state.authorize(&request, Verb::Delete, &key)?;
    let write = with_conditions(Write::delete(key.clone()), request.headers())?;
    let outcome = store.write_one(write).await?;
    Ok(HttpResponse::Ok().json(DeleteResponse {
        key: key.as_str(),
        deleted: outcome.existed,
    }))
}
