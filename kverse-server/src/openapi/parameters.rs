//! The parameters that handlers share: headers of requests, and what stands in the query and the path.
//!
//! The types only describe what the extractors of [`crate::extract`] read.
#![expect(dead_code, reason = "described, never constructed")]

use kverse_core::Key;
use kverse_store::wire::Ttl;
use utoipa::IntoParams;

use super::schemas::AnyVersion;

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

/// The key of a body that is not JSON.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OptionalKeyQuery {
    /// The key; not with a JSON body, which has it in itself.
    #[param(example = "user/42")]
    key: Option<Key>,
}

/// How long an entry lives.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TtlQuery {
    /// How long the entry lives; without it, for ever.
    #[param(example = "1h30m")]
    ttl: Option<Ttl>,
}

/// The condition of a read.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct ReadHeaders {
    /// `*` or a list of versions as `ETag` gave them: if the key has one of them, the answer is 304 without the value.
    #[param(
        rename = "If-None-Match",
        format = "kverse-version-tags",
        pattern = r#"^(\*|(W/)?"[ !#-~]*"(, *(W/)?"[ !#-~]*")*)$"#,
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
        pattern = r"^[!-~]([ -~]*[!-~])?$",
        example = "6f1f0e1c-order-17"
    )]
    idempotency_key: Option<String>,
}
