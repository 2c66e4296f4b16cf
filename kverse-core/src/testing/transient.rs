//! The declaration of a backend without the `durable` group.

use super::AnyBackend;

/// The backend was not declared `durable`: then its store does not claim to be and cannot restart, or the group would be
/// left out.
pub async fn it_does_not_claim_to_be_durable(backend: &mut AnyBackend) {
    let durable = backend.store().capabilities().durable;
    let durable = durable || backend.restart().await;
    assert!(!durable, "declare the backend `durable` to `conformance!`");
}
