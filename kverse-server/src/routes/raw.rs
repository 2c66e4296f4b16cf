//! The raw routes: bytes in, bytes out.

use actix_web::http::Method;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use kverse_core::{CacheStatus, Expiry, Key, KvStoreExt, PutOptions, Timestamp, Write};
use kverse_store::tokens::Verb;
use kverse_store::wire::{Ttl, parse_ttl};

use super::Answer;
use super::entry::{self, Found};
use crate::error::Failure;
use crate::extract::{
    APPLICATION_OCTET_STREAM, body, path_key, query, refuse_partial, stored_content_type,
    with_conditions,
};
use crate::openapi::parameters::{KeyPath, ReadHeaders, TtlQuery, WriteHeaders};
use crate::openapi::problems::{
    BodyProblems, KeyReadProblems, KeyWriteProblems, NotFound, RequestTimeout,
};
use crate::openapi::schemas::EntityTag;
use crate::state::State;

/// What [`any`] answers.
const ALLOW: &str = "GET, HEAD, PUT, PATCH, DELETE";

/// Every method of `/kv/{key}`. The rest of the path is the key, whatever it has in it, so it is not a pattern of the
/// router, and the methods are told apart here.
pub(crate) async fn any(request: HttpRequest, payload: Payload, state: Data<State>) -> Answer {
    match *request.method() {
        Method::GET | Method::HEAD => get(&request, &state).await,
        Method::PUT => put(&request, payload, &state).await,
        Method::PATCH => patch(&request, payload, &state).await,
        Method::DELETE => delete(&request, &state).await,
        _ => Err(Failure::method_not_allowed(ALLOW)),
    }
}

/// Reads a value as it was stored
#[utoipa::path(
    method(get, head),
    path = "/kv/{key}",
    operation_id = "get_bytes",
    tag = "values",
    params(KeyPath, ReadHeaders),
    responses(
        (
            status = 200,
            description = "The value, with the content type that it was stored with (else `application/octet-stream`).",
            content(("*/*")),
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
async fn get(request: &HttpRequest, state: &State) -> Answer {
    let [] = query(request, [])?;
    get_key(request, state, &path_key(request)?).await
}

/// Stores a value as it is
#[utoipa::path(
    put,
    path = "/kv/{key}",
    operation_id = "put_bytes",
    tag = "values",
    params(KeyPath, TtlQuery, WriteHeaders),
    request_body(
        description = "The value: up to 1 MiB of any type, with which it is served again.",
        content(("application/octet-stream"), ("text/plain"), ("application/json"), ("*/*")),
    ),
    responses(
        (
            status = 200,
            description = "Stored instead of another value.",
            headers(("ETag" = EntityTag), ("KVerse-Expires-At" = Timestamp)),
        ),
        (
            status = 201,
            description = "Stored: the key did not exist.",
            headers(("ETag" = EntityTag), ("KVerse-Expires-At" = Timestamp)),
        ),
        KeyWriteProblems,
        BodyProblems,
    )
)]
async fn put(request: &HttpRequest, payload: Payload, state: &State) -> Answer {
    let [ttl] = query(request, ["ttl"])?;
    let key = path_key(request)?;
    put_key(request, payload, state, key, ttl.as_deref()).await
}

/// Changes when an entry ends, without its value
#[utoipa::path(
    patch,
    path = "/kv/{key}",
    operation_id = "touch_bytes",
    tag = "values",
    params(
        KeyPath,
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
async fn patch(request: &HttpRequest, payload: Payload, state: &State) -> Answer {
    let [ttl] = query(request, ["ttl"])?;
    let key = path_key(request)?;
    touch_key(request, payload, state, key, ttl.as_deref()).await
}

/// Deletes a key that exists
#[utoipa::path(
    delete,
    path = "/kv/{key}",
    operation_id = "delete_bytes",
    tag = "values",
    params(KeyPath, WriteHeaders),
    responses((status = 204, description = "Deleted."), KeyWriteProblems, NotFound)
)]
async fn delete(request: &HttpRequest, state: &State) -> Answer {
    let [] = query(request, [])?;
    delete_key(request, state, path_key(request)?).await
}

/// The value as it was stored. A browser that is led to it must not run it as ours.
pub(super) async fn get_key(request: &HttpRequest, state: &State, key: &Key) -> Answer {
    match entry::read(request, state, key).await? {
        Found::NotModified(response) => Ok(response),
        Found::Entry(entry, mut response) => {
            let stored = entry.content_type.as_ref();
            let content_type = stored.map_or(APPLICATION_OCTET_STREAM, |stored| stored.as_str());
            response
                .insert_header((CONTENT_TYPE, content_type))
                .insert_header((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
                .insert_header((
                    CONTENT_SECURITY_POLICY,
                    HeaderValue::from_static("sandbox; default-src 'none'"),
                ));
            Ok(response.body(entry.value))
        }
    }
}

pub(super) async fn put_key(
    request: &HttpRequest,
    payload: Payload,
    state: &State,
    key: Key,
    ttl: Option<&str>,
) -> Answer {
    let store = state.authorize(request, Verb::Write, &key)?;
    refuse_partial(request.headers())?;
    let options = PutOptions::default()
        .with_content_type(stored_content_type(request)?)
        .with_expiry(ttl.map_or(Ok(Expiry::Never), parse_ttl)?);
    let value = body(
        request,
        payload,
        "value",
        state.limits.max_value_bytes,
        state,
    )
    .await?;
    let write = with_conditions(
        Write::put(key, value).with_options(options),
        request.headers(),
    )?;
    let outcome = store.write_one(write).await?;
    let mut response = if outcome.existed {
        HttpResponse::Ok()
    } else {
        HttpResponse::Created()
    };
    entry::written(&mut response, &outcome);
    Ok(response.finish())
}

/// Changes when an entry ends, and nothing else.
pub(super) async fn touch_key(
    request: &HttpRequest,
    payload: Payload,
    state: &State,
    key: Key,
    ttl: Option<&str>,
) -> Answer {
    let ttl = ttl.ok_or_else(|| {
        Failure::invalid("the parameter `ttl` is missing: this method changes nothing else")
    })?;
    let store = state.authorize(request, Verb::Write, &key)?;
    let write = Write::touch(key, parse_ttl(ttl)?);
    body(request, payload, "body of a PATCH", 0, state).await?;
    let write = with_conditions(write, request.headers())?;
    let outcome = store.write_one(write).await?;
    if !outcome.existed {
        return Err(Failure::key_not_found());
    }
    let mut response = HttpResponse::Ok();
    entry::written(&mut response, &outcome);
    Ok(response.finish())
}

pub(super) async fn delete_key(request: &HttpRequest, state: &State, key: Key) -> Answer {
    let store = state.authorize(request, Verb::Delete, &key)?;
    let write = with_conditions(Write::delete(key), request.headers())?;
    let outcome = store.write_one(write).await?;
    if !outcome.existed {
        return Err(Failure::key_not_found());
    }
    Ok(HttpResponse::NoContent().finish())
}
