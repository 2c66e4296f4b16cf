//! The declaration of a backend without the `clocked` group.

use super::AnyBackend;

/// The backend was not declared `clocked`: then it has no clock that tests can set, or the group would be left out.
#[expect(clippy::unused_async, reason = "behaviours are async")]
pub async fn its_clock_cannot_be_set(backend: &AnyBackend) {
    assert!(
        backend.clock().is_none(),
        "declare the backend `clocked` to `conformance!`"
    );
}
