//! The server and how to trust it: what the URL says, and `sslmode`.

use std::sync::Arc;

use kverse_core::Error;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use url::form_urlencoded;

use super::error::PostgresError;
use crate::DatabaseUrl;

/// Where to connect.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) config: tokio_postgres::Config,
    /// `None`: never TLS.
    pub(super) tls: Option<ClientConfig>,
}

/// How far the server must prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// Not at all.
    Anyone,
    /// Its certificate must come from a known authority.
    Authority,
    /// And it must be for the host of the URL.
    Host,
}

impl Target {
    /// What the URL says. `sslmode`, `sslrootcert` and the rest mean what they mean to libpq, with these differences:
    /// `allow` and client certificates are refused; `prefer`, the default, goes on without TLS only if the server has
    /// none; and without `sslrootcert` the authorities are those that the system trusts.
    pub(super) fn new(url: &DatabaseUrl) -> Result<Self, PostgresError> {
        let (address, query) = match url.with_password().split_once('?') {
            Some((address, query)) => (address, query),
            None => (url.with_password(), ""),
        };
        let (mut mode, mut authorities) = ("prefer".to_owned(), None);
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "sslmode" => mode = value.into_owned(),
                "sslrootcert" if value == "system" => authorities = None,
                "sslrootcert" => authorities = Some(value.into_owned()),
                _ => drop(rest.append_pair(&name, &value)),
            }
        }
        let trust = match mode.as_str() {
            "disable" => None,
            // As libpq: who names authorities wants them asked.
            "require" if authorities.is_some() => Some(Trust::Authority),
            "prefer" | "require" => Some(Trust::Anyone),
            "verify-ca" => Some(Trust::Authority),
            "verify-full" => Some(Trust::Host),
            _ => {
                return Err(Error::invalid_input(format!(
                    "sslmode={mode} in the database's URL is not supported: \
                     expected disable, prefer, require, verify-ca or verify-full"
                ))
                .into());
            }
        };
        let plain_mode = match mode.as_str() {
            "disable" | "prefer" => mode.as_str(),
            _ => "require",
        };
        rest.append_pair("sslmode", plain_mode);
        // `+` for a space is not understood everywhere.
        let rest = rest.finish().replace('+', "%20");
        let config = format!("{address}?{rest}").parse().map_err(malformed)?;
        Ok(Self {
            config,
            tls: trust
                .map(|trust| client_config(trust, authorities.as_deref()))
                .transpose()?,
        })
    }
}

fn malformed(error: tokio_postgres::Error) -> Error {
    use std::error::Error as _;

    // The cause names an option or a part of the URL, never its value.
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    Error::invalid_input(format!("the database's URL is malformed: {cause}"))
}

fn client_config(trust: Trust, authorities: Option<&str>) -> Result<ClientConfig, PostgresError> {
    let provider = Arc::new(ring::default_provider());
    let tls =
        |error: rustls::Error| Error::invalid_input("TLS cannot be set up").with_source(error);
    let authority = match trust {
        Trust::Anyone => None,
        Trust::Authority | Trust::Host => {
            let roots = Arc::new(roots(authorities)?);
            let verifier =
                WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                    .build()
                    .map_err(|error| {
                        Error::invalid_input("there is no certificate authority to trust")
                            .with_source(error)
                    })?;
            Some(verifier)
        }
    };
    let verifier = Verifier {
        trust,
        authority,
        provider: Arc::clone(&provider),
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

fn roots(file: Option<&str>) -> Result<RootCertStore, PostgresError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            let unusable = |error: rustls::pki_types::pem::Error| {
                Error::invalid_input(format!("sslrootcert={file} cannot be used: {error}"))
            };
            for certificate in CertificateDer::pem_file_iter(file).map_err(unusable)? {
                roots.add(certificate.map_err(unusable)?).map_err(|error| {
                    Error::invalid_input(format!("sslrootcert={file} cannot be used: {error}"))
                })?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(roots)
}

/// Checks the server's certificate as far as `sslmode` asks for.
#[derive(Debug)]
struct Verifier {
    trust: Trust,
    authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use rustls::Error::InvalidCertificate;

        let Some(authority) = &self.authority else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = authority.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // The last of all checks: everything else was in order.
            Err(InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.trust == Trust::Authority => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Result<Target, Error> {
        Target::new(&url.parse().unwrap()).map_err(Error::from)
    }

    #[test]
    fn sslmode_decides_whether_tls_is_used() {
        for (mode, has_tls) in [("disable", false), ("prefer", true), ("require", true)] {
            let target = target(&format!("postgresql://u@h/d?sslmode={mode}")).unwrap();
            assert_eq!(target.tls.is_some(), has_tls, "{mode}");
        }
        assert!(target("postgresql://u@h/d").unwrap().tls.is_some());
    }

    #[test]
    fn other_options_and_several_hosts_stay() {
        let url = "postgresql://u:p%40ss@h:1,i:2/d?application_name=a%20b&sslmode=verify-full&connect_timeout=3";
        let config = target(url).unwrap().config;
        assert_eq!(config.get_application_name(), Some("a b"));
        assert_eq!(config.get_password(), Some(&b"p@ss"[..]));
        assert_eq!(config.get_ports(), [1, 2]);
        assert_eq!(
            config.get_ssl_mode(),
            tokio_postgres::config::SslMode::Require
        );
    }

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        for (query, expected) in [
            ("sslmode=allow", "sslmode=allow"),
            ("sslmode=verify-ca&sslrootcert=/missing.pem", "/missing.pem"),
            ("sslkey=k", "sslkey"),
        ] {
            let error = target(&format!("postgresql://u:secret@h/d?{query}")).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(expected), "{message}");
            assert!(
                !format!("{error:?} {message}").contains("secret"),
                "{error:?}"
            );
        }
    }
}
