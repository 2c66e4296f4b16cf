//! The raw routes: bytes in, bytes out.

use actix_web::http::Method;
use actix_web::http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use kverse_core::{Expiry, Key, KvStoreExt, PutOptions, Write};
use kverse_store::tokens::Verb;
use kverse_store::wire::parse_ttl;

use super::Answer;
use super::entry::{self, Found};
use crate::error::Failure;
use crate::extract::{
    APPLICATION_OCTET_STREAM, body, path_key, query, refuse_partial, stored_content_type,
    with_conditions,
};
use crate::state::State;

/// What [`any`] answers.
const ALLOW: &str = "GET, HEAD, PUT, PATCH, DELETE";

/// Every method of `/kv/{key}`. The rest of the path is the key, whatever it has in it, so it is not a pattern of the
/// router, and the methods are told apart here.
pub(crate) async fn any(request: HttpRequest, payload: Payload, state: Data<State>) -> Answer {
    match *request.method() {
        Method::GET | Method::HEAD => {
            let [] = query(&request, [])?;
            get_key(&request, &state, &path_key(&request)?).await
        }
        Method::PUT => {
            let [ttl] = query(&request, ["ttl"])?;
            let key = path_key(&request)?;
            put_key(&request, payload, &state, key, ttl.as_deref()).await
        }
        Method::PATCH => {
            let [ttl] = query(&request, ["ttl"])?;
            let key = path_key(&request)?;
            touch_key(&request, payload, &state, key, ttl.as_deref()).await
        }
        Method::DELETE => {
            let [] = query(&request, [])?;
            delete_key(&request, &state, path_key(&request)?).await
        }
        _ => Err(Failure::method_not_allowed(ALLOW)),
    }
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
