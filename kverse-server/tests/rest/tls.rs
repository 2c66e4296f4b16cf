//! TLS to PostgreSQL and to Redis, with certificates of an authority of our own.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use kverse_store::testing::{PostgresOptions, PostgresServer, RedisServer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::binary::{Process, program, run};
use crate::starting::{cache_says, put};

/// An authority, with its certificate in a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            directory,
        }
    }

    fn file(&self) -> String {
        self.path("ca.pem").to_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate for this host and its key, as PEM.
    fn certify(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// A server at this URL, which trusts what the file holds as the system's authorities.
fn trusting(file: &str, database_url: &str, options: &[&str]) -> Process {
    let mut command = program(database_url);
    Process::spawn(command.args(options).env("SSL_CERT_FILE", file))
}

/// The exit code and message of a server that does not start.
fn refused(file: &str, database_url: &str, redis_url: &str) -> (i32, String) {
    let urls = ["--database-url", database_url, "--redis-url", redis_url];
    let fixed = ["--listen", "127.0.0.1:0", "--log", "off"];
    let (code, _, error) = run(&[urls, fixed].concat(), &[("SSL_CERT_FILE", file)]);
    assert!(!error.contains("secret"), "{error}");
    (code, error)
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_trusted_as_far_as_sslmode_says() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.certify("localhost");
    let options = PostgresOptions::default().with_certificate(certificate, key);
    let server = PostgresServer::start(options);
    server.sql(
        "postgres",
        "CREATE ROLE guarded LOGIN SUPERUSER PASSWORD 'topsecret'",
    );
    let url = |host: &str, query: &str| {
        let port = server.address().port();
        format!("postgresql://guarded:topsecret@{host}:{port}/postgres?{query}")
    };
    let encrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE ssl AND usename = 'guarded'";
    let root = format!("sslrootcert={}", ours.file());
    for (host, query, has_tls) in [
        ("127.0.0.1", "sslmode=disable", false),
        ("127.0.0.1", "sslmode=prefer", true),
        ("127.0.0.1", "sslmode=require", true),
        ("127.0.0.1", &format!("sslmode=verify-ca&{root}"), true),
        ("localhost", &format!("sslmode=verify-full&{root}"), true),
    ] {
        let running = Process::start_at(&url(host, query), &[]);
        put(&running, "key").await;
        let count = server.sql("postgres", encrypted);
        assert_eq!(count != "0", has_tls, "{query}: {count}");
        drop(running);
    }
    // Without sslrootcert it is the system that knows whom to trust.
    drop(trusting(
        &ours.file(),
        &url("localhost", "sslmode=verify-full"),
        &[],
    ));

    let wrong_root = format!("sslrootcert={}", theirs.file());
    for (host, query, expected) in [
        (
            "localhost",
            format!("sslmode=verify-full&{wrong_root}"),
            "invalid peer certificate",
        ),
        (
            "localhost",
            format!("sslmode=verify-ca&{wrong_root}"),
            "invalid peer certificate",
        ),
        (
            "localhost",
            "sslmode=verify-full".to_owned(),
            "invalid peer certificate",
        ),
        // As libpq: an authority that is named is asked.
        (
            "localhost",
            format!("sslmode=require&{wrong_root}"),
            "invalid peer certificate",
        ),
        (
            "127.0.0.1",
            format!("sslmode=verify-full&{root}"),
            "not valid for name",
        ),
        (
            "localhost",
            "sslmode=verify-full&sslrootcert=/missing.pem".to_owned(),
            "/missing.pem",
        ),
    ] {
        let (code, error) = refused(&theirs.file(), &url(host, &query), "");
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let wrong = url("localhost", &format!("sslmode=verify-full&{root}")).replace("top", "wrong");
    let (code, error) = refused(&ours.file(), &wrong, "");
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("password authentication failed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_trusted_if_the_system_trusts_its_authority() {
    let database = PostgresServer::shared().create_database();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.certify("localhost");
    fs::write(ours.path("redis.crt"), certificate).unwrap();
    fs::write(ours.path("redis.key"), key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (certificate, key) = (ours.path("redis.crt"), ours.path("redis.key"));
    let _redis = RedisServer::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        certificate.to_str().unwrap(),
        "--tls-key-file",
        key.to_str().unwrap(),
        "--tls-ca-cert-file",
        &ours.file(),
        "--tls-auth-clients",
        "no",
        "--requirepass",
        "topsecret",
    ]);
    let url = |host: &str| format!("rediss://:topsecret@{host}:{port}");

    let options = ["--redis-url", &url("localhost")];
    let server = trusting(&ours.file(), &database.url(), &options);
    cache_says(&server, "mode on").await;
    assert!(
        !server.start_of_log.contains("WARN"),
        "{}",
        server.start_of_log
    );
    drop(server);

    for (file, url, expected) in [
        (theirs.file(), url("localhost"), "invalid peer certificate"),
        (ours.file(), url("127.0.0.1"), "not valid for name"),
        (
            ours.file(),
            url("localhost").replace("top", "wrong"),
            "password",
        ),
    ] {
        let database_url = database.url();
        let refused = move || refused(&file, &database_url, &url);
        let (code, error) = tokio::task::spawn_blocking(refused).await.unwrap();
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
