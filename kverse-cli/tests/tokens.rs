//! Access tokens.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/server.rs"]
mod server;

use std::fs;

use common::{Run, cli, command};
use kverse_store::testing::PostgresServer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use server::TestServer;

const ALL: &str = "read,write,delete,list,watch,monitor,admin:";
/// A token that may do everything.
const ROOT: &str = "kv_root_0123456789abcdefghijklmnopqrstuvwxyz";

/// Runs the binary on a store with a token.
fn with_token(store: &str, token: &str, args: &[&str]) -> Run {
    Run::of(command(store, args).env("KVERSE_TOKEN", token))
}

/// The token that a run printed; its message says that this was the only time.
#[track_caller]
fn issued(run: Run) -> String {
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("not shown again"), "{run:?}");
    let token = String::from_utf8(run.stdout).unwrap();
    assert_eq!(token.lines().count(), 1);
    assert!(
        !run.stderr
            .contains(token.trim().rsplit('_').next().unwrap())
    );
    token.trim().to_owned()
}

fn id(token: &str) -> &str {
    token.split('_').nth(1).unwrap()
}

#[test]
fn the_first_token_is_made_on_the_database_and_the_others_through_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}", directory.path().join("kverse.db").display());
    let create = ["token", "create", "--name", "me", "--scope", ALL];
    let admin = issued(cli(&database, &create));

    let server = TestServer::start(&["--database-url", &database, "--auth", "tokens"]);
    let url = server.url.as_str();
    for refused in [
        cli(url, &["put", "a/k", "v"]),
        cli(url, &["get", "a/k"]),
        cli(url, &["list"]),
        cli(url, &["token", "list"]),
        with_token(url, &admin.replace("kv_", "kv_x"), &["get", "a/k"]),
    ] {
        refused.failed(5, "access token");
    }
    with_token(url, &admin, &["put", "a/k", "v"]).text();
    let create = [
        "token",
        "create",
        "--name",
        "reader",
        "--scope",
        "read,list:a/",
        "--scope",
        "monitor",
        "--ttl",
        "30d",
    ];
    let reader = issued(with_token(url, &admin, &create));
    assert_eq!(with_token(url, &reader, &["get", "a/k"]).text(), "v");
    assert_eq!(with_token(url, &reader, &["list", "a/"]).text(), "a/k\n");
    let stats = with_token(url, &reader, &["stats", "-o", "json"]).json();
    assert_eq!(stats["items"], 1);
    for forbidden in [
        &["put", "a/k", "w"][..],
        &["delete", "a/k"],
        &["list"],
        &["get", "b/k"],
        &["token", "list"],
    ] {
        let run = with_token(url, &reader, forbidden);
        assert_eq!(run.code, Some(5), "{forbidden:?}: {run:?}");
    }

    let listed = with_token(url, &admin, &["token", "list"]).text();
    assert!(
        listed.contains("reader\tread,list:a/ monitor\texpires 20"),
        "{listed}"
    );
    assert!(!listed.contains(reader.rsplit('_').next().unwrap()));
    let listed = with_token(url, &admin, &["token", "list", "-o", "json"]).text();
    assert_eq!(listed.lines().count(), 2);

    let rotated = issued(with_token(url, &admin, &["token", "rotate", id(&reader)]));
    with_token(url, &rotated, &["get", "a/k"]).text();
    let file = directory.path().join("token");
    fs::write(&file, format!("{rotated}\n")).unwrap();
    let from_file = ["--token-file", file.to_str().unwrap(), "get", "a/k"];
    assert_eq!(with_token(url, "ignored", &from_file).text(), "v");
    with_token(url, &admin, &["token", "revoke", id(&reader)]).text();
    let again = with_token(url, &admin, &["token", "revoke", id(&reader)]);
    again.failed(3, "there is no token");
    let gone = with_token(url, &admin, &["token", "rotate", id(&reader)]);
    gone.failed(3, "there is no token");
}

#[test]
fn a_token_that_is_malformed_is_not_shown() {
    let store = "http://127.0.0.1:9";
    let run = with_token(store, "kv_short_secret", &["get", "a"]);
    run.failed(2, "a token is kv_ID_SECRET");
    let run = with_token(store, "kv_short_secret", &["--help"]).text();
    assert!(!run.contains("short_secret"));
    let run = cli(
        "memory:",
        &["token", "create", "--name", "a", "--scope", "read"],
    );
    run.failed(2, "for which keys");
}

#[test]
fn tokens_are_made_on_postgres_beside_its_servers() {
    let database = PostgresServer::shared().create_database();
    let server = TestServer::start(&["--database-url", &database.url(), "--auth", "tokens"]);
    let create = ["token", "create", "--name", "me", "--scope", ALL];
    let token = issued(cli(&database.url(), &create));
    with_token(&server.url, &token, &["put", "a", "v"]).text();
    cli(&database.url(), &["token", "revoke", id(&token)]).text();
    std::thread::park_timeout(std::time::Duration::from_secs(1));
    with_token(&server.url, &token, &["get", "a"]).failed(5, "not valid");
}

#[test]
fn https_is_trusted_if_the_system_trusts_its_authority() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (key, authority) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(
        path("ca.pem"),
        params.self_signed(&authority).unwrap().pem(),
    )
    .unwrap();
    let issuer = Issuer::new(params, authority);
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    fs::write(path("cert.pem"), certificate.pem()).unwrap();
    fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    fs::write(path("root"), ROOT).unwrap();
    let server = TestServer::start(&[
        "--database-url",
        "memory:",
        "--tls-cert",
        &path("cert.pem"),
        "--tls-key",
        &path("key.pem"),
        "--bootstrap-token-file",
        &path("root"),
    ]);
    let url = server.url.replace("http://127.0.0.1", "https://localhost");
    let run = |args: &[&str]| {
        let mut command = command(&url, args);
        Run::of(
            command
                .env("KVERSE_TOKEN", ROOT)
                .env("SSL_CERT_FILE", path("ca.pem")),
        )
    };
    run(&["put", "greeting", "hello"]).text();
    assert_eq!(run(&["get", "greeting"]).text(), "hello");
    with_token(&url, ROOT, &["get", "greeting"]).failed(6, "certificate");
}
