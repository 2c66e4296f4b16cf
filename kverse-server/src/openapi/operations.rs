//! The operations of batches and transactions as schemas: which fields belong together, as
//! [`OperationRequest::parse`](kverse_store::wire::OperationRequest::parse) has it.
#![expect(dead_code, reason = "described, never constructed")]

use kverse_core::{ContentType, Key, Timestamp};
use kverse_store::wire::Ttl;
use utoipa::ToSchema;

use super::schemas::AnyVersion;

/// What `POST /batch` does, in this order.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"operations": [{"op": "put", "key": "a", "value": "1"}, {"op": "get", "key": "b"}]})))]
pub(crate) struct BatchBody {
    #[schema(max_items = 1000)]
    operations: Vec<BatchOperation>,
}

/// What `POST /transaction` does, all or nothing.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({"operations": [
    {"op": "put", "key": "a", "value": "2", "if_match": "*"},
    {"op": "delete", "key": "b"},
]})))]
pub(crate) struct TransactionBody {
    #[schema(max_items = 1000)]
    operations: Vec<TransactionOperation>,
}

#[derive(ToSchema)]
#[serde(untagged)]
enum BatchOperation {
    Get(GetOperation),
    PutText(PutTextOperation),
    PutBytes(PutBytesOperation),
    TouchFor(TouchForOperation),
    TouchUntil(TouchUntilOperation),
    Delete(DeleteOperation),
}

#[derive(ToSchema)]
#[serde(untagged)]
enum TransactionOperation {
    Get(ConditionalGetOperation),
    PutText(PutTextOperation),
    PutBytes(PutBytesOperation),
    TouchFor(TouchForOperation),
    TouchUntil(TouchUntilOperation),
    Delete(DeleteOperation),
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum Get {
    Get,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum Put {
    Put,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum Touch {
    Touch,
}

#[derive(ToSchema)]
#[serde(rename_all = "lowercase")]
enum Delete {
    Delete,
}

/// The version that the key must have, or `*` for any.
#[derive(ToSchema)]
#[schema(value_type = String, format = "kverse-version-or-any", pattern = r"^(\*|[0-9]+)$")]
struct IfMatch(String);

/// A retry with the same key and the same operation returns the first answer instead of writing again: 1 to 255 bytes.
#[derive(ToSchema)]
#[schema(value_type = String, format = "kverse-idempotency-key", min_length = 1, max_length = 255)]
struct IdempotencyKey(String);

/// Bytes as Base64 (RFC 4648 section 4, padded).
#[derive(ToSchema)]
#[schema(
    value_type = String,
    content_encoding = "base64",
    pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=|[A-Za-z0-9+/][AQgw]==)?$"
)]
struct Base64(String);

/// Reads a key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct GetOperation {
    #[schema(inline)]
    op: Get,
    key: Key,
}

/// Reads a key, on a condition.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct ConditionalGetOperation {
    #[schema(inline)]
    op: Get,
    key: Key,
    if_match: Option<IfMatch>,
    /// The key must not exist. Not together with `if_match`.
    if_none_match: Option<AnyVersion>,
}

/// Stores text under a key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct PutTextOperation {
    #[schema(inline)]
    op: Put,
    key: Key,
    value: String,
    content_type: Option<ContentType>,
    ttl: Option<Ttl>,
    /// When the entry ends. Not together with `ttl`.
    expires_at: Option<Timestamp>,
    if_match: Option<IfMatch>,
    /// The key must not exist. Not together with `if_match`.
    if_none_match: Option<AnyVersion>,
    idempotency_key: Option<IdempotencyKey>,
}

/// Stores bytes under a key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct PutBytesOperation {
    #[schema(inline)]
    op: Put,
    key: Key,
    value_base64: Base64,
    content_type: Option<ContentType>,
    ttl: Option<Ttl>,
    /// When the entry ends. Not together with `ttl`.
    expires_at: Option<Timestamp>,
    if_match: Option<IfMatch>,
    /// The key must not exist. Not together with `if_match`.
    if_none_match: Option<AnyVersion>,
    idempotency_key: Option<IdempotencyKey>,
}

/// Changes how long an entry lives, without its value.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TouchForOperation {
    #[schema(inline)]
    op: Touch,
    key: Key,
    ttl: Ttl,
    if_match: Option<IfMatch>,
    /// The key must not exist. Not together with `if_match`.
    if_none_match: Option<AnyVersion>,
    idempotency_key: Option<IdempotencyKey>,
}

/// Changes when an entry ends, without its value.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct TouchUntilOperation {
    #[schema(inline)]
    op: Touch,
    key: Key,
    expires_at: Timestamp,
    if_match: Option<IfMatch>,
    /// The key must not exist. Not together with `if_match`.
    if_none_match: Option<AnyVersion>,
    idempotency_key: Option<IdempotencyKey>,
}

/// Removes a key.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
struct DeleteOperation {
    #[schema(inline)]
    op: Delete,
    key: Key,
    if_match: Option<IfMatch>,
    /// The key must not exist. Not together with `if_match`.
    if_none_match: Option<AnyVersion>,
    idempotency_key: Option<IdempotencyKey>,
}
