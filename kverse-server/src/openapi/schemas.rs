//! Schemas of what has no type of its own: texts of headers and parameters, and bodies that are written by hand.
#![expect(dead_code, reason = "described, never constructed")]

use kverse_store::wire::{CountResponse, KeysResponse, ReadyResponse};
use utoipa::ToSchema;

/// The version of a key in quotes.
#[derive(ToSchema)]
#[schema(value_type = String, pattern = r#"^"[0-9]+"$"#, examples("\"1767225600000000\""))]
pub(crate) struct EntityTag(String);

/// Lines of JSON, each an `EntryLine`.
#[derive(ToSchema)]
#[schema(value_type = String, examples("{\"key\":\"greeting\",\"value\":\"hello\"}\n"))]
pub(crate) struct Lines(String);

/// `*`.
#[derive(ToSchema)]
pub(crate) enum AnyVersion {
    #[serde(rename = "*")]
    Any,
}

/// `ok`.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ok {
    Ok,
}

/// That it is done, or that the service works.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"status": "ok"})))]
pub(crate) struct OkResponse {
    #[schema(inline)]
    status: Ok,
}

/// That the service works, and with `verbose` the checks that say so.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum ReadyBody {
    Verbose(ReadyResponse),
    Brief(OkResponse),
}

/// A page of keys, or with `count` how many there are.
#[derive(ToSchema)]
#[serde(untagged)]
pub(crate) enum ListBody {
    Keys(KeysResponse),
    Count(CountResponse),
}

/// What a list can have beside the keys.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
pub(crate) enum Include {
    Value,
}

/// The value of a key.
#[derive(ToSchema)]
#[schema(examples(json!({"data": {"value": "hello"}})))]
pub(crate) struct ValueResponse {
    data: ValueData,
}

/// A value as JSON has it.
#[derive(ToSchema)]
pub(crate) struct ValueData {
    /// The value; Base64 if `encoding` says so.
    value: String,
    /// Only with values that are not UTF-8.
    #[schema(nullable = false)]
    encoding: Option<Encoding>,
}

/// How a value that is not UTF-8 is written.
#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    Base64,
}
