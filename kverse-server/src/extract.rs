//! What requests say, parsed strictly: what is malformed, doubled or unknown is refused, never ignored.

mod body;
mod conditions;
mod identity;
mod media;
mod query;

pub(crate) use body::{body, json_body, parse_json, unreadable};
pub(crate) use conditions::{ReadCondition, Verdict, refuse_conditions, with_conditions};
pub(crate) use identity::RequestIdentity;
pub(crate) use media::{
    APPLICATION_NDJSON, APPLICATION_OCTET_STREAM, TEXT_EVENT_STREAM, content_type, is_json,
    refuse_partial, require_lines, stored_content_type, wants_bytes, wants_json, wants_page,
};
pub(crate) use query::{path_key, query, required_key};

use actix_web::http::header::{HeaderMap, HeaderName};

use crate::error::Failure;

/// The value of a header that may be given once, as text.
pub(crate) fn single<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    code: &'static str,
) -> Result<Option<&'a str>, Failure> {
    let mut values = headers.get_all(name);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        let detail = format!("the header `{name}` is given more than once");
        return Err(Failure::malformed(code, detail));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => {
            let detail = format!("the header `{name}` has a character other than visible ASCII");
            Err(Failure::malformed(code, detail))
        }
    }
}
