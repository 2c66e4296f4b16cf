//! Bodies of requests.

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::web::Payload;
use bytes::Bytes;
use futures_util::StreamExt;
use kverse_core::Error;
use serde::Deserialize;

use crate::error::Failure;
use crate::extract::{content_type, is_json};
use crate::state::State;

/// How much memory a body gets before it has arrived.
const FIRST_ALLOCATION: usize = 1 << 20;

/// The whole body, in memory of exactly its size: what arrives is a piece of a larger buffer, which a stored value would
/// keep alive.
///
/// # Errors
/// 413 for more than `limit` bytes, before anything is read if the length is known; 408 if it takes too long; 400 if it
/// ends early.
pub(crate) async fn body(
    request: &HttpRequest,
    payload: Payload,
    what: &str,
    limit: usize,
    state: &State,
) -> Result<Bytes, Failure> {
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(length) = length.filter(|length| *length > limit) {
        return Err(Error::too_large(what, "bytes", limit, length).into());
    }
    let collected = collect(payload, what, limit, length.unwrap_or(0));
    match tokio::time::timeout(state.body_timeout, collected).await {
        Ok(body) => body,
        Err(_) => Err(Failure::request_timeout(format!(
            "the body did not arrive within {:?}",
            state.body_timeout
        ))),
    }
}

async fn collect(
    mut payload: Payload,
    what: &str,
    limit: usize,
    length: usize,
) -> Result<Bytes, Failure> {
    let mut body = Vec::with_capacity(length.min(FIRST_ALLOCATION));
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(unreadable)?;
        let actual = body.len() + chunk.len();
        if actual > limit {
            // The rest is not read to find out how much more it is.
            return Err(Error::too_large(what, "bytes", limit, actual).into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into_boxed_slice().into())
}

/// What is wrong with a body that cannot be read to its end.
pub(crate) fn unreadable(error: PayloadError) -> Failure {
    match error {
        PayloadError::Incomplete(_) | PayloadError::Io(_) => {
            Failure::malformed("incomplete_body", "the body is incomplete")
        }
        error => Failure::malformed("malformed_body", format!("the body is malformed: {error}")),
    }
}

/// A body that has to be JSON, as bytes. Browsers send such a request to another origin only after asking.
///
/// # Errors
/// 415 for another content type; as [`body`].
pub(crate) async fn json_body(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
    state: &State,
) -> Result<Bytes, Failure> {
    if !content_type(request)?.is_some_and(is_json) {
        return Err(Failure::unsupported_media_type(
            "this path takes `Content-Type: application/json`",
        ));
    }
    body(request, payload, "body", limit, state).await
}

/// Reads JSON.
///
/// # Errors
/// 422, or 400 for what is not JSON at all.
pub(crate) fn parse_json<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(json).map_err(|error| {
        if error.is_data() {
            Failure::invalid(format!("the body is not what is expected: {error}"))
        } else {
            Failure::malformed("malformed_json", format!("the body is not JSON: {error}"))
        }
    })
}
