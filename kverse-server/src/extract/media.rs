//! What a body is, and what the client wants to get.

use actix_web::HttpRequest;
use actix_web::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderMap};
use kverse_core::ContentType;

use super::single;
use crate::error::Failure;

/// The type of bytes that nobody said more about.
pub(crate) const APPLICATION_OCTET_STREAM: &str = "application/octet-stream";

/// The type of server-sent events.
pub(crate) const TEXT_EVENT_STREAM: &str = "text/event-stream";

/// The type of newline-delimited JSON.
pub(crate) const APPLICATION_NDJSON: &str = "application/x-ndjson";

/// The media type of a header value, without parameters.
fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// The content type of the request as it came, if it has one.
pub(crate) fn content_type(request: &HttpRequest) -> Result<Option<&str>, Failure> {
    single(request.headers(), &CONTENT_TYPE, "malformed_header")
}

/// Whether a content type is `application/json`, with or without parameters.
pub(crate) fn is_json(content_type: &str) -> bool {
    essence(content_type).eq_ignore_ascii_case("application/json")
}

/// Whether the client asks for the bytes of a value instead of JSON.
pub(crate) fn wants_bytes(headers: &HeaderMap) -> bool {
    accepts(headers, APPLICATION_OCTET_STREAM)
}

/// Whether the client asks for JSON instead of a stream of events.
pub(crate) fn wants_json(headers: &HeaderMap) -> bool {
    accepts(headers, "application/json") && !accepts(headers, TEXT_EVENT_STREAM)
}

/// Whether the client asks for something to show to a person.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    accepts(headers, "text/html")
}

/// Whether the client names this media type.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    headers
        .get_all(ACCEPT)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| essence(range).eq_ignore_ascii_case(media_type))
}

/// Refuses bodies that are not the content itself: stored as they are, they would come back as something else.
pub(crate) fn refuse_partial(headers: &HeaderMap) -> Result<(), Failure> {
    if headers.contains_key(CONTENT_RANGE) {
        let detail = "the body is taken as a whole: `Content-Range` is not supported";
        return Err(Failure::malformed("malformed_header", detail));
    }
    match single(headers, &CONTENT_ENCODING, "malformed_header")? {
        None => Ok(()),
        Some(encoding) if encoding.eq_ignore_ascii_case("identity") => Ok(()),
        Some(_) => Err(Failure::unsupported_media_type(
            "`Content-Encoding` is not supported: send the body as it is to be stored",
        )),
    }
}

/// Refuses a body of lines that is not one: browsers send these types to another origin only after asking.
pub(crate) fn require_lines(request: &HttpRequest) -> Result<(), Failure> {
    let types = [
        APPLICATION_NDJSON,
        "application/ndjson",
        "application/jsonl",
    ];
    let is_lines = |given: &str| {
        types
            .iter()
            .any(|known| essence(given).eq_ignore_ascii_case(known))
    };
    if !content_type(request)?.is_some_and(is_lines) {
        return Err(Failure::unsupported_media_type(
            "this path takes `Content-Type: application/x-ndjson`",
        ));
    }
    refuse_partial(request.headers())
}

/// The content type of the request, to be stored with its value.
pub(crate) fn stored_content_type(request: &HttpRequest) -> Result<Option<ContentType>, Failure> {
    let content_type = content_type(request)?;
    Ok(content_type.map(ContentType::new).transpose()?)
}
