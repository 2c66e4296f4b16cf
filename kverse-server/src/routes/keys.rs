//! Lists of keys, how many there are, and deleting them.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use kverse_core::{Cursor, Delimiter, Error, Key, KvStoreExt, Prefix, ScanOptions};
use kverse_store::tokens::Verb;
use kverse_store::wire::{CountResponse, DeletedResponse, KeysResponse};

use super::Answer;
use crate::error::Failure;
use crate::extract::{query, refuse_conditions};
use crate::openapi::parameters::{DeleteQuery, ListQuery};
use crate::openapi::problems::{ReadProblems, WriteProblems};
use crate::openapi::schemas::ListBody;
use crate::state::State;

/// How long one request goes on deleting: less than proxies wait for an answer.
const DELETE_TIME: Duration = Duration::from_secs(20);

/// What confirms that all keys are to be deleted: not the empty prefix, which a script has where a variable is not set.
const EVERYTHING: &str = "*";

/// Lists keys, or counts them
#[utoipa::path(
    method(get, head),
    path = "/keys",
    operation_id = "list_keys",
    tag = "keys",
    params(ListQuery),
    responses(
        (
            status = 200,
            description = "A page of keys and folders in byte order; with `count`, how many keys there are.",
            body = ListBody,
        ),
        ReadProblems,
    )
)]
pub(crate) async fn list(request: HttpRequest, state: Data<State>) -> Answer {
    let names = [
        "count",
        "prefix",
        "start_after",
        "cursor",
        "delimiter",
        "limit",
        "max_bytes",
        "include",
    ];
    let [
        count,
        prefix,
        start_after,
        cursor,
        delimiter,
        limit,
        max_bytes,
        include,
    ] = query(&request, names)?;
    let prefix = Prefix::new(prefix.unwrap_or_default())?;
    let store = state.authorize(&request, Verb::List, &prefix)?;
    let delimiter = delimiter.map(Delimiter::new).transpose()?;
    let start_after = position(&prefix, delimiter.as_ref(), start_after, cursor)?;
    if is_true("count", count)? {
        if delimiter.is_some() || limit.is_some() || max_bytes.is_some() || include.is_some() {
            return Err(Failure::invalid(
                "`count` goes with `prefix`, `start_after` and `cursor` only",
            ));
        }
        let count = store.count(&prefix, start_after.as_ref()).await?;
        return Ok(HttpResponse::Ok().json(CountResponse {
            count: count.keys,
            cursor: cursor_to(&prefix, None, count.next),
        }));
    }
    let limits = &state.limits;
    let options = ScanOptions::new(prefix)
        .with_start_after(start_after)
        .with_delimiter(delimiter)
        .with_limit(match limit {
            Some(limit) => number("limit", &limit, limits.max_page_entries)?,
            None => ScanOptions::DEFAULT_LIMIT,
        })
        .with_max_bytes(match max_bytes {
            Some(bytes) => number("max_bytes", &bytes, limits.max_page_bytes)?,
            None => limits.max_page_bytes,
        })
        .with_values(match include.as_deref() {
            None => false,
            Some("value") => true,
            Some(_) => {
                return Err(Failure::invalid(
                    "unknown value of `include`; known here: `value`",
                ));
            }
        });
    if options.include_values {
        state.authorize(&request, Verb::Read, &options.prefix)?;
    }
    let page = store.scan(options.clone()).await?;
    Ok(HttpResponse::Ok().json(KeysResponse {
        keys: page.entries.into_iter().map(Into::into).collect(),
        common_prefixes: page.common_prefixes,
        cursor: cursor_to(&options.prefix, options.delimiter.as_ref(), page.next),
    }))
}

/// Deletes all keys that begin so
///
/// Goes on until they are deleted, or its time is over. Then the answer has a cursor, and the same request with it goes on
/// from there.
#[utoipa::path(
    delete,
    path = "/keys",
    operation_id = "delete_keys",
    tag = "keys",
    params(DeleteQuery),
    responses((status = 200, description = "How many were deleted.", body = DeletedResponse), WriteProblems)
)]
pub(crate) async fn delete(request: HttpRequest, state: Data<State>) -> Answer {
    refuse_conditions(request.headers())?;
    let [prefix, confirm, cursor] = query(&request, ["prefix", "confirm", "cursor"])?;
    let prefix = prefix.ok_or_else(|| Failure::invalid("the parameter `prefix` is missing"))?;
    let prefix = Prefix::new(prefix)?;
    let expected = match prefix.as_str() {
        "" => EVERYTHING,
        prefix => prefix,
    };
    if confirm.as_deref() != Some(expected) {
        return Err(Failure::invalid(match prefix.as_str() {
            "" => "to delete every key, `confirm` has to be `*`",
            _ => "to delete all keys with this prefix, `confirm` has to be the same as `prefix`",
        }));
    }
    // How many there are, and the cursor, tell of keys.
    state.authorize(&request, Verb::List, &prefix)?;
    let store = state.authorize(&request, Verb::Delete, &prefix)?;
    let mut start_after = position(&prefix, None, None, cursor)?;
    let (started, mut deleted) = (Instant::now(), 0);
    loop {
        let page = store.delete_page(&prefix, start_after).await;
        let page = page.map_err(|error| after(deleted, error))?;
        deleted += page.keys;
        start_after = page.next;
        if start_after.is_none() || started.elapsed() >= DELETE_TIME {
            return Ok(HttpResponse::Ok().json(DeletedResponse {
                deleted,
                cursor: cursor_to(&prefix, None, start_after),
            }));
        }
    }
}

/// The error of a deletion that had begun: it may be begun again.
fn after(deleted: u64, error: Error) -> Error {
    if deleted == 0 {
        return error;
    }
    let message = format!("after {deleted} keys were deleted: {error}");
    Error::new(error.kind(), message).with_source(error)
}

fn position(
    prefix: &Prefix,
    delimiter: Option<&Delimiter>,
    start_after: Option<Cow<'_, str>>,
    cursor: Option<Cow<'_, str>>,
) -> Result<Option<Key>, Failure> {
    match (start_after, cursor) {
        (None, None) => Ok(None),
        (Some(key), None) => Ok(Some(Key::new(key)?)),
        (None, Some(cursor)) => {
            let cursor: Cursor = cursor.parse()?;
            Ok(Some(cursor.start_after(prefix, delimiter)?))
        }
        (Some(_), Some(_)) => Err(Failure::invalid(
            "`start_after` and `cursor` exclude each other",
        )),
    }
}

fn cursor_to(prefix: &Prefix, delimiter: Option<&Delimiter>, next: Option<Key>) -> Option<String> {
    next.map(|key| Cursor::new(prefix, delimiter, key).to_string())
}

fn number(name: &str, text: &str, max: usize) -> Result<usize, Failure> {
    match text.parse() {
        Ok(number) if !text.starts_with('+') => Ok(number),
        _ => Err(Failure::invalid(format!(
            "`{name}` is not a number from 1 to {max}"
        ))),
    }
}

fn is_true(name: &str, value: Option<Cow<'_, str>>) -> Result<bool, Failure> {
    match value.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Failure::invalid(format!(
            "`{name}` is neither `true` nor `false`"
        ))),
    }
}
