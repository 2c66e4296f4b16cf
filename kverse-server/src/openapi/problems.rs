//! The answers that are not a success: one for each status, and the sets of them that handlers share.

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::openapi::schema::{AllOf, Schema, SchemaType};
use utoipa::openapi::{Content, Header, Object, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{IntoResponses, ToResponse};

use crate::error::PROBLEM_JSON;

/// Declares for each status a type that stands for its answer in the annotations of handlers.
macro_rules! problems {
    ($($status:literal $name:ident [$($code:literal),+] $description:literal)+) => {
        $(
            #[doc = $description]
            pub(crate) struct $name;

            impl<'r> ToResponse<'r> for $name {
                fn response() -> (&'r str, RefOr<Response>) {
                    (stringify!($name), response($status, $description, &[$($code),+]).into())
                }
            }

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    let reference = Ref::from_response_name(stringify!($name));
                    BTreeMap::from([(stringify!($status).to_owned(), reference.into())])
                }
            }
        )+

        /// Every answer by its name.
        pub(super) fn components() -> [(&'static str, RefOr<Response>); TABLE.len()] {
            [$($name::response()),+]
        }

        /// Every status with its codes.
        pub(super) const TABLE: &[(u16, &[&str])] = &[$(($status, &[$($code),+])),+];
    };
}

problems! {
    400 BadRequest [
        "malformed_json", "malformed_body", "incomplete_body", "malformed_header", "malformed_condition", "token_in_url",
        "malformed_credentials"
    ] "The syntax of the request is wrong."
    401 Unauthenticated ["missing_token", "invalid_token", "unauthenticated"] "No access token, or one that is unknown, revoked or expired."
    403 Forbidden [
        "forbidden_read", "forbidden_write", "forbidden_delete", "forbidden_list", "forbidden_watch", "forbidden_monitor",
        "forbidden_admin", "forbidden"
    ] "The access token does not grant this here."
    404 NotFound ["not_found"] "The key does not exist, or nothing is at this path."
    408 RequestTimeout ["request_timeout"] "The body did not arrive in time."
    409 Conflict ["conflict"] "An operation of a transaction cannot be done, so none was; or the key of a line of an import exists."
    410 Gone ["gone"] "What is asked for is not kept any more."
    412 PreconditionFailed ["precondition_failed"] "`If-Match` or `If-None-Match` does not hold."
    413 TooLarge ["too_large"] "Over one of the limits that `/limits` publishes."
    415 UnsupportedMediaType ["unsupported_media_type"] "A body of another type is needed."
    422 InvalidInput ["invalid_input"] "The request is well-formed but makes no sense."
    426 UpgradeRequired ["upgrade_required"] "An export to HTTP/1.0, which cannot tell its end from a failure."
    429 TooManyRequests ["too_many_requests"] "Over the rate; try again after `Retry-After` seconds."
    500 Internal ["internal", "corrupt"] "A defect, or data that cannot be read back."
    501 Unsupported ["unsupported"] "This store cannot do it."
    503 Unavailable ["unavailable", "slow_reader"] "Nothing was stored; try again after `Retry-After` seconds."
    504 Timeout ["timeout"] "No outcome in time: a write may or may not be stored."
    507 StorageFull ["storage_full"] "Nothing was stored: the disk is full."
}

/// Declares a set of answers.
macro_rules! sets {
    ($($(#[$doc:meta])* $name:ident: $($part:ident)+;)+) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    [$($part::responses()),+].into_iter().flatten().collect()
                }
            }
        )+
    };
}

sets! {
    /// What any request may be answered with, before it gets to its route.
    AccessProblems: BadRequest Unauthenticated Forbidden TooManyRequests Internal Unavailable Timeout;
    /// What any call on the store may come to.
    StoreProblems: InvalidInput Internal Unavailable Timeout;
    /// The same with headers or parameters that are checked.
    ReadProblems: StoreProblems BadRequest TooLarge;
    /// The same for a read of one key.
    KeyReadProblems: ReadProblems NotFound PreconditionFailed;
    /// The same for what may change something.
    WriteProblems: ReadProblems StorageFull;
    /// The same for a write of one key.
    KeyWriteProblems: WriteProblems PreconditionFailed;
    /// What may be wrong with a body.
    BodyProblems: BadRequest RequestTimeout TooLarge UnsupportedMediaType;
}

/// The answer with a status: a problem body that has this status and one of these codes.
fn response(status: u16, description: &str, codes: &[&str]) -> Response {
    let only = |values: Vec<Value>| {
        let any = Object::builder().schema_type(SchemaType::AnyValue);
        any.enum_values(Some(values)).build()
    };
    let narrowed = Object::builder()
        .property("status", only(vec![status.into()]))
        .property(
            "code",
            only(codes.iter().copied().map(Value::from).collect()),
        );
    let schema = AllOf::builder()
        .item(Ref::from_schema_name("Problem"))
        .item(narrowed);
    let content = Content::new(Some(RefOr::T(Schema::from(schema.build()))));
    let mut response = ResponseBuilder::new()
        .description(description)
        .content(PROBLEM_JSON, content);
    if matches!(status, 401 | 403) {
        response = response.header("WWW-Authenticate", Header::default());
    }
    if matches!(status, 429 | 503) {
        let seconds = Header::new(Object::with_type(Type::Integer));
        response = response.header("Retry-After", seconds);
    }
    if status >= 500 {
        response = response.header("X-Request-Id", Header::default());
    }
    response.build()
}
