//! What the answers about one key have in common: headers, and what is not JSON or bytes.

use actix_web::http::header::{ETAG, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use kverse_core::{Entry, Error, Key, KvStoreExt, ReadOutcome, Timestamp, Version, WriteOutcome};
use kverse_store::tokens::Verb;

use crate::error::Failure;
use crate::extract::{ReadCondition, Verdict};
use crate::state::State;

static KVERSE_CACHE: HeaderName = HeaderName::from_static("kverse-cache");
static KVERSE_EXPIRES_AT: HeaderName = HeaderName::from_static("kverse-expires-at");

/// What a read found.
pub(crate) enum Found {
    /// The entry, and the beginning of the answer.
    Entry(Entry, HttpResponseBuilder),
    /// The client has it already: the answer.
    NotModified(HttpResponse),
}

/// Reads a key as the headers of the request say.
pub(crate) async fn read(
    request: &HttpRequest,
    state: &State,
    key: &Key,
) -> Result<Found, Failure> {
    // Not the `Arc`, which is a store too and would box the read once more.
    let store = &**state.authorize(request, Verb::Read, key)?;
    let condition = ReadCondition::parse(request.headers())?;
    let ReadOutcome { entry, cache, .. } = store.lookup(key).await?;
    let entry = entry.ok_or_else(Failure::key_not_found)?;
    let verdict = condition.judge(entry.version);
    let mut response = match verdict {
        Verdict::Found => HttpResponse::Ok(),
        Verdict::NotModified => HttpResponse::NotModified(),
        Verdict::Failed => return Err(Error::precondition_failed(Some(entry.version)).into()),
    };
    response.insert_header((
        KVERSE_CACHE.clone(),
        HeaderValue::from_static(cache.as_str()),
    ));
    describe(&mut response, entry.version, entry.expires_at);
    if verdict == Verdict::NotModified {
        return Ok(Found::NotModified(response.finish()));
    }
    Ok(Found::Entry(entry, response))
}

/// The headers of the answer to a put.
pub(crate) fn written(response: &mut HttpResponseBuilder, outcome: &WriteOutcome) {
    describe(response, outcome.version, outcome.expires_at);
}

fn describe(response: &mut HttpResponseBuilder, version: Version, expires_at: Option<Timestamp>) {
    let mut digits = itoa::Buffer::new();
    let tag = ["\"", digits.format(version.get()), "\""].concat();
    response.insert_header((ETAG, tag));
    if let Some(at) = expires_at {
        response.insert_header((KVERSE_EXPIRES_AT.clone(), at.to_string()));
    }
}
