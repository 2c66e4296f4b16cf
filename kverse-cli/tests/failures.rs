//! How commands end that cannot be done.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Run, cli, command};

/// The URL of a server that reads one request on each connection and answers it with these bytes.
fn server_that_answers(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // Ends with the process.
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            let _ = connection.write_all(&answer);
        }
    });
    url
}

/// The URL of a port that nobody listens on.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn a_server_that_is_down_is_unavailable() {
    let url = nobody();
    for args in [
        &["get", "k"][..],
        &["put", "k", "v"],
        &["delete", "k"],
        &["list"],
        &["stats"],
    ] {
        let message = format!("{url}/: cannot connect to the server: Connection refused");
        cli(&url, args).failed(6, &message);
    }
    let health = cli(&url, &["health"]);
    assert_eq!(health.code, Some(6), "{health:?}");
    let stdout = String::from_utf8(health.stdout).unwrap();
    assert!(
        stdout.starts_with("server: unavailable: cannot connect"),
        "{stdout}"
    );
}

#[test]
fn a_server_that_goes_on_without_its_redis_is_healthy() {
    for (status, code) in [("ok", 0), ("unavailable", 6)] {
        let body = format!(
            "{{\"status\":\"{status}\",\"checks\":[\
             {{\"name\":\"database\",\"status\":\"ok\",\"duration_ms\":1}},\
             {{\"name\":\"cache\",\"status\":\"unavailable\",\"detail\":\"gone\",\"duration_ms\":1}}]}}"
        );
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let health = cli(&server_that_answers(answer), &["health"]);
        assert_eq!(health.code, Some(code), "{health:?}");
        let stdout = String::from_utf8(health.stdout).unwrap();
        assert!(stdout.contains("cache: unavailable: gone"), "{stdout}");
    }
}

#[test]
fn a_write_without_an_answer_may_be_stored() {
    let url = server_that_answers(b"");
    cli(&url, &["put", "k", "v"]).failed(6, "may or may not have been stored");
    cli(&url, &["get", "k"]).failed(6, "the connection to the server broke");
}

#[test]
fn a_server_that_knows_nobody_or_allows_nothing_is_an_exit_code_of_its_own() {
    let unknown = server_that_answers(
        b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 112\r\n\r\n{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\
          \"status\":401,\"detail\":\"a token is needed\",\"code\":\"unauthenticated\"}",
    );
    let forbidden = server_that_answers(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    for args in [
        &["get", "k"][..],
        &["put", "k", "v"],
        &["delete", "k"],
        &["list"],
        &["stats"],
    ] {
        cli(&unknown, args).failed(5, &format!("{unknown}/: a token is needed"));
        cli(&forbidden, args).failed(5, "403 Forbidden");
    }
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_as_long_as_was_said() {
    // Accepts connections, in the system's queue, and that is all.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    for (args, message) in [
        (&["get", "k"][..], "the server did not answer in time"),
        (&["list"], "the server did not answer in time"),
        (&["put", "k", "v"], "may or may not have been stored"),
    ] {
        let began = Instant::now();
        cli(&url, &[args, &["--timeout", "300ms"]].concat()).failed(6, message);
        // Twice, because it is asked for its limits first; not the 30 seconds that are the default.
        assert!(began.elapsed() < Duration::from_secs(10), "{args:?}");
    }
    let refused = |time, message| {
        cli("memory:", &["stats", "--timeout", time]).failed(2, message);
    };
    refused("0s", "more than 0, at most a day");
    refused("25h", "more than 0, at most a day");
    refused("soon", "--timeout");
}

#[test]
fn another_kind_of_server_is_not_understood() {
    let ok = server_that_answers(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>");
    cli(&ok, &["get", "k"]).failed(1, "is it a KVerse server?: expected value at line 1");
    let missing = server_that_answers(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    cli(&missing, &["get", "k"]).failed(1, "404 Not Found");
    let moved = server_that_answers(
        b"HTTP/1.1 301 Moved Permanently\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
    );
    cli(&moved, &["put", "k", "v"]).failed(1, "301 Moved Permanently");
}

#[test]
fn a_store_that_is_none_is_wrong_usage() {
    let run = cli("redis://user:secret@host", &["stats"]);
    assert!(!run.stderr.contains("secret"), "{run:?}");
    run.failed(2, "unknown kind of store: expected sqlite:PATH");
    cli("http://", &["stats"]).failed(2, "malformed");
}

#[test]
fn a_flag_wins_over_the_environment() {
    let args = ["--store", "memory:", "stats", "-o", "json"];
    assert_eq!(cli(&nobody(), &args).json()["items"], 0);
}

#[test]
fn malformed_input_is_wrong_usage_and_too_much_is_over_a_limit() {
    let run = |args: &[&str]| cli("memory:", args);
    run(&["get", ""]).failed(2, "the key is empty");
    run(&["get", &"k".repeat(1025)]).failed(7, "the key has 1025 bytes, the limit is 1024");
    run(&["put", "k", "v", "--ttl", "soon"]).failed(2, "not a time to live");
    run(&["put", "k", "v", "--ttl", "0"]).failed(2, "out of range");
    run(&["put", "k", "v", "--content-type", "a\nb"]).failed(2, "content type");
    run(&["put", "k", "@/dev/zero"]).failed(7, "more than 1048576 bytes, the limit");
    run(&["put", "k", "@/does/not/exist"]).failed(1, "kverse-cli: cannot read /does/not/exist");
    run(&["put", "k", "@/"]).failed(1, "cannot read /");
    run(&["fly"]).failed(2, "unrecognized subcommand");
    run(&[]).failed(2, "Usage");
}

#[test]
fn an_unconditional_delete_of_nothing_is_not_found() {
    cli("memory:", &["delete", "k"]).failed(3, "\"k\" does not exist");
    let run = cli("memory:", &["delete", "k", "-o", "json"]);
    assert_eq!(run.code, Some(3));
    let line: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(line["deleted"], false);
}

#[test]
fn a_file_over_the_limit_is_refused_with_its_size() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // A gigabyte that takes no space: it must not be read.
    file.as_file().set_len(1 << 30).unwrap();
    let value = format!("@{}", file.path().display());
    let message = "the value has 1073741824 bytes, the limit is 1048576";
    cli("memory:", &["put", "k", &value]).failed(7, message);
}

#[test]
fn help_version_and_completions_need_no_store() {
    let help = cli("memory:", &["--help"]).text();
    for expected in ["Exit codes:", "Examples:", "KVERSE_STORE", "completions"] {
        assert!(help.contains(expected), "{help}");
    }
    let version = cli("memory:", &["--version"]).text();
    assert_eq!(
        version,
        concat!("kverse-cli ", env!("CARGO_PKG_VERSION"), "\n")
    );
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = cli(&nobody(), &["completions", shell]).text();
        assert!(script.contains("kverse-cli"), "{shell}");
    }
}

#[test]
fn output_that_nobody_reads_is_a_normal_end() {
    for args in [&["--help"][..], &["completions", "bash"], &["stats"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kverse-cli"));
        command.args(["--store", "memory:"]).args(args);
        let output = command
            .stdout(writer)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kverse-cli"));
    command.args(["--store", "memory:", "stats"]).stdout(full);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("kverse-cli: cannot write the output"),
        "{stderr}"
    );
}

#[test]
fn a_secret_in_the_url_is_not_shown() {
    let url = nobody().replace("http://", "http://user:secret@");
    let run = Run::of(&mut command(&url, &["get", "k"]));
    assert!(!run.stderr.contains("secret"), "{run:?}");
    run.failed(6, "http://user:***@127.0.0.1");
}
