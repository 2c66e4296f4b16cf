//! The JSON forms of the REST interface, shared by the `http` backend and the server.
//!
//! A value is text in `value` where it is UTF-8, else Base64 (RFC 4648 section 4, padded) in `value_base64`. Versions are
//! decimal strings, times RFC 3339 strings.

mod changes;
mod entity_tags;
mod keys;
mod operation;
mod options;
mod problem;
mod query;
mod service;
mod tokens;
mod transfer;
mod value;

pub use self::changes::{ChangeResponse, ChangesResponse};
pub use self::entity_tags::{EntityTag, parse_entity_tags, parse_version_tag};
pub use self::keys::{CountResponse, DeletedResponse, KeyResponse, KeysResponse};
pub use self::operation::{
    BatchRequest, BatchResponse, OperationName, OperationRequest, OperationResponse,
};
#[cfg(feature = "openapi")]
pub use self::options::Ttl;
pub use self::options::{
    check_idempotency_key, parse_precondition, parse_ttl, with_idempotency_key,
};
pub use self::problem::Problem;
pub use self::query::{parse_path_key, parse_query};
pub use self::service::{CheckResponse, ReadyResponse, StatsResponse};
pub use self::tokens::{
    CreateTokenRequest, IssuedTokenResponse, RotateTokenRequest, SelfResponse, TokensResponse,
    parse_duration,
};
pub use self::transfer::{EntryLine, ImportError, ImportReport};
pub use self::value::{decode_value, encode_value};
