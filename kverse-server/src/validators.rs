//! Entity tags of answers that are the same for everyone (RFC 9110, section 8.8.3).

use actix_web::HttpRequest;
use actix_web::http::header::{EntityTag, Header, IfNoneMatch};

/// The tag of what has this digest.
pub(crate) fn entity_tag(digest: &[u8]) -> EntityTag {
    let tag = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
    EntityTag::new_strong(tag.collect())
}

/// Whether the client has it already.
pub(crate) fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    IfNoneMatch::parse(request).is_ok_and(|known| match known {
        IfNoneMatch::Any => true,
        IfNoneMatch::Items(tags) => tags.iter().any(|known| known.weak_eq(tag)),
    })
}
