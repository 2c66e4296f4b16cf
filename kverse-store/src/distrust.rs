//! Whether a server was refused by us.

use std::error::Error;
use std::io;
use std::sync::Arc;

/// Whether TLS failed because the server's certificate is not trusted or not for its host: trying again does not help.
pub(crate) fn is_distrust(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidCertificate(_));
    }
    // What these wrap is not their source.
    let wrapped = match error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
        Some(error) => Some(&**error),
        None => error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref),
    };
    wrapped.is_some_and(|error| is_distrust(error)) || error.source().is_some_and(is_distrust)
}
