//! The parameters that handlers share: headers of requests, and what stands in the query and the path.
//!
//! The types only describe what the extractors of [`crate::extract`] read.
#![expect(dead_code, reason = "described, never constructed")]

use kverse_core::{Key, Prefix};
use kverse_store::transfer::OnConflict;
use kverse_store::wire::Ttl;
use utoipa::IntoParams;

use super::schemas::{AnyVersion, Include};

/// A key in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct KeyPath {
    /// The rest of the path, percent-decoded once. A key with `//` or `..` in it is better given as `/kv?key=`, because
    /// clients and proxies rewrite such paths.
    #[param(example = "user/42", allow_reserved)]
    key: Key,
}

/// A key in the query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyQuery {
    /// The key.
    #[param(example = "user/42")]
    key: Key,
}

/// The key of a body that is the value.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OptionalKeyQuery {
    /// The key; with a JSON body, which has it in itself, only if `Accept` names `application/octet-stream`.
    #[param(example = "user/42")]
    key: Option<Key>,
}

/// The query of `GET /keys`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// Only keys that begin so.
    #[param(example = "user/")]
    prefix: Option<Prefix>,
    /// Only keys after this one. Not together with `cursor`.
    start_after: Option<Key>,
    /// The `cursor` of the page before, with the same `prefix` and `delimiter`.
    #[param(format = "kverse-cursor", pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
    /// Keys that have this text after the prefix are not listed, but the folders that they are in, as `common_prefixes`.
    #[param(
        example = "/",
        format = "kverse-key",
        min_length = 1,
        max_length = 1024,
        pattern = r"^[^\x00]*$"
    )]
    delimiter: Option<String>,
    /// At most this many keys and folders. A page may have fewer and not be the last.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// The page ends once its keys and values reach this many bytes.
    #[param(minimum = 1, maximum = 4_194_304)]
    max_bytes: Option<u32>,
    /// What else to answer beside the keys.
    #[param(inline)]
    include: Option<Include>,
    /// `true`: how many keys there are, instead of the keys. Together with `prefix`, `start_after` and `cursor` only.
    count: Option<bool>,
}

/// The query of `GET /watch`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WatchQuery {
    /// Only changes of keys that begin so.
    #[param(example = "user/")]
    prefix: Option<Prefix>,
    /// The position after which to go on, as an event or a page gave it. Without it: from now on.
    #[param(pattern = "^[A-Za-z0-9_-]{37}[AQgw]$")]
    since: Option<String>,
    /// `value`: events of puts have the entry as it is when they are sent. Not with a page.
    #[param(inline)]
    include: Option<Include>,
    /// With a page only: at most this many changes.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u16>,
    /// With a page only: how long to wait if there is nothing after `since` yet; at most 60 seconds.
    #[param(
        format = "kverse-wait",
        pattern = r"^(0|([0-9]+(\.[0-9]+)? *[a-zA-Zµ]+ *)+)$",
        example = "20s"
    )]
    wait: Option<String>,
}

/// Where a stream of events goes on.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct WatchHeaders {
    /// As `since`, which it takes precedence over: what browsers send when they connect again. Empty, it is none.
    #[param(rename = "Last-Event-ID", pattern = "^([A-Za-z0-9_-]{37}[AQgw])?$")]
    last_event_id: Option<String>,
}

/// The query of `GET /export`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// Only keys that begin so.
    #[param(example = "user/")]
    prefix: Option<Prefix>,
}

/// The query of `POST /import`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// What to do with a line whose key exists. Without it: `overwrite`.
    #[param(inline)]
    on_conflict: Option<OnConflict>,
    /// Only keys that begin so are taken; another one ends the import.
    prefix: Option<Prefix>,
}

/// The query of `DELETE /keys`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeleteQuery {
    /// The keys that begin so are deleted.
    #[param(example = "tmp/")]
    prefix: Prefix,
    /// The same as `prefix`; `*` for the empty one.
    #[param(example = "tmp/")]
    confirm: String,
    /// The `cursor` of the answer before, with the same `prefix`.
    #[param(format = "kverse-cursor", pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// How long an entry lives.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TtlQuery {
    /// How long the entry lives; without it, for ever.
    #[param(example = "1h30m")]
    ttl: Option<Ttl>,
}

/// The conditions of a read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct ReadHeaders {
    /// `*` or a list of versions as `ETag` gave them: if the key has none of them, the answer is 412.
    #[param(
        rename = "If-Match",
        format = "kverse-version-tags",
        pattern = r#"^(\*|(W/)?"[\t !#-~]*"([\t ]*,[\t ]*(W/)?"[\t !#-~]*")*)$"#,
        example = json!("\"1767225600000000\"")
    )]
    if_match: Option<String>,
    /// `*` or a list of versions as `ETag` gave them: if the key has one of them, the answer is 304 without the value.
    #[param(
        rename = "If-None-Match",
        format = "kverse-version-tags",
        pattern = r#"^(\*|(W/)?"[\t !#-~]*"([\t ]*,[\t ]*(W/)?"[\t !#-~]*")*)$"#,
        example = json!("\"1767225600000000\"")
    )]
    if_none_match: Option<String>,
}

/// The condition of a write, and what makes its retry harmless.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct WriteHeaders {
    /// A version as `ETag` gave it: the key must have it. `*`: the key must exist.
    #[param(
        rename = "If-Match",
        format = "kverse-version-tag",
        pattern = r#"^(\*|"[0-9]+")$"#,
        example = json!("\"1767225600000000\"")
    )]
    if_match: Option<String>,
    /// `*`: the key must not exist. Not together with `If-Match`.
    #[param(rename = "If-None-Match", inline)]
    if_none_match: Option<AnyVersion>,
    /// A retry with the same key and the same request returns the first answer instead of writing again.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = r"^[!-~]([\t -~]*[!-~])?$",
        example = "6f1f0e1c-order-17"
    )]
    idempotency_key: Option<String>,
}

/// What makes the retry of many operations harmless.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct BatchHeaders {
    /// A retry with the same key and the same body returns the first answer of each write instead of writing again.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = r"^[!-~]([\t -~]*[!-~])?$",
        example = "6f1f0e1c-order-17"
    )]
    idempotency_key: Option<String>,
}
