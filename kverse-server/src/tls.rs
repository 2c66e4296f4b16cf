//! HTTPS.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::StartError;

/// What the server shows to clients: TLS 1.2 and 1.3, no certificates of clients.
///
/// # Errors
/// For a file that cannot be read or holds something else, and a key that is not that of the certificate.
pub(crate) fn server_config(certificate: &Path, key: &Path) -> Result<ServerConfig, StartError> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |error: rustls::pki_types::pem::Error| StartError::TlsFile {
            path,
            source: Box::new(error),
        }
    };
    let certificates = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unusable(certificate))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(unusable(key))?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(certificates, key)
        })
        .map_err(StartError::Tls)
}
