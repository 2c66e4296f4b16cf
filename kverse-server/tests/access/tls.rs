//! HTTPS.

use std::fs;

use rcgen::{CertificateParams, KeyPair};
use reqwest::{Certificate, Client};

use crate::common::{DEADLINE, config};

#[tokio::test]
async fn a_server_with_a_certificate_speaks_https_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().pem();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("cert.pem"), &certificate).unwrap();
    fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    let files = [
        "--tls-cert",
        &path("cert.pem"),
        "--tls-key",
        &path("key.pem"),
    ];

    let config = config(&[&["--database-url", "memory:"], &files[..]].concat());
    let listener = kverse_server::bind(config.listen).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        kverse_server::run(&config, listener, async {
            let _ = stopped.await;
        })
        .await
    });
    let plain = crate::common::client();
    let trusting = Client::builder()
        .timeout(DEADLINE)
        .tls_certs_only([Certificate::from_pem(certificate.as_bytes()).unwrap()])
        .build()
        .unwrap();
    let url = format!("https://localhost:{port}/kv/a");
    let put = trusting.put(&url).body("v").send().await.unwrap();
    assert_eq!(put.status(), 201);
    let got = trusting.get(&url).send().await.unwrap();
    assert_eq!(got.text().await.unwrap(), "v");
    assert!(plain.get(&url).send().await.is_err(), "trusted by anyone");
    let unencrypted = format!("http://localhost:{port}/kv/a");
    assert!(plain.get(unencrypted).send().await.is_err());
    drop((stop, plain, trusting));
    server.await.unwrap().unwrap();
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().pem();
    fs::write(path("cert.pem"), &certificate).unwrap();
    fs::write(path("other.pem"), other.serialize_pem()).unwrap();
    for (certificate, key, expected) in [
        ("cert.pem", "missing.pem", "missing.pem"),
        ("cert.pem", "cert.pem", "cert.pem"),
        ("other.pem", "other.pem", "certificate"),
        ("cert.pem", "other.pem", "certificate and key"),
    ] {
        let (certificate, key) = (path(certificate), path(key));
        let files = ["--tls-cert", &certificate, "--tls-key", &key];
        let config = config(&[&["--database-url", "memory:"], &files[..]].concat());
        let listener = kverse_server::bind(config.listen).unwrap();
        let error = kverse_server::run(&config, listener, std::future::pending());
        let error = error.await.unwrap_err();
        assert_eq!(error.exit_status(), 2);
        assert!(error.to_string().contains(expected), "{error}");
    }
}
