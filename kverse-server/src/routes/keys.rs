//! Lists of keys.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use kverse_core::{Cursor, Key, Prefix, ScanOptions};
use kverse_store::tokens::Verb;
use kverse_store::wire::KeysResponse;

use super::Answer;
use crate::error::Failure;
use crate::extract::query;
use crate::state::State;

/// `GET /keys`
pub(crate) async fn list(request: HttpRequest, state: Data<State>) -> Answer {
    let options = options(&request, &state)?;
    let prefix = options.prefix.clone();
    let store = state.authorize(&request, Verb::List, &prefix)?;
    if options.include_values {
        state.authorize(&request, Verb::Read, &prefix)?;
    }
    let page = store.scan(options).await?;
    Ok(HttpResponse::Ok().json(KeysResponse {
        keys: page.entries.into_iter().map(Into::into).collect(),
        common_prefixes: Vec::new(),
        cursor: page.next.map(|key| Cursor::new(&prefix, key).to_string()),
    }))
}

fn options(request: &HttpRequest, state: &State) -> Result<ScanOptions, Failure> {
    let names = ["prefix", "start_after", "limit", "cursor", "include"];
    let [prefix, start_after, limit, cursor, include] = query(request, names)?;
    let prefix = Prefix::new(prefix.unwrap_or_default())?;
    let start_after = match (start_after, cursor) {
        (None, None) => None,
        (Some(key), None) => Some(Key::new(key)?),
        (None, Some(cursor)) => Some(cursor.parse::<Cursor>()?.start_after(&prefix)?),
        (Some(_), Some(_)) => {
            return Err(Failure::invalid(
                "`start_after` and `cursor` exclude each other",
            ));
        }
    };
    let limit = match limit.as_deref().map(str::parse) {
        None => ScanOptions::DEFAULT_LIMIT,
        Some(Ok(limit)) => limit,
        Some(Err(_)) => {
            return Err(Failure::invalid(format!(
                "`limit` is not a number from 1 to {}",
                state.limits.max_page_entries
            )));
        }
    };
    let include_values = match include.as_deref() {
        None => false,
        Some("value") => true,
        Some(_) => {
            return Err(Failure::invalid(
                "unknown value of `include`; known here: `value`",
            ));
        }
    };
    Ok(ScanOptions::new(prefix)
        .with_start_after(start_after)
        .with_limit(limit)
        .with_max_bytes(state.limits.max_page_bytes)
        .with_values(include_values))
}
