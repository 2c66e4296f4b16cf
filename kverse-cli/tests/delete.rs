//! Keys to delete from standard input.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/server.rs"]
mod server;

use common::{Run, cli, command};
use server::TestServer;

fn memory_server() -> TestServer {
    TestServer::start(&["--database-url", "memory:"])
}

fn delete(url: &str, args: &[&str], keys: impl Into<Vec<u8>>) -> Run {
    Run::of(command(url, &[&["delete", "-"], args].concat()).write_stdin(keys))
}

/// Asserts that it ended with this code and this last message.
#[track_caller]
fn assert_ended(run: &Run, code: i32, message: &str) {
    assert_eq!(run.code, Some(code), "{run:?}");
    let last = run.stderr.lines().last();
    assert_eq!(last, Some(format!("kverse-cli: {message}").as_str()));
}

#[test]
fn what_list_prints_as_json_is_deleted_whatever_the_keys_are() {
    let server = memory_server();
    for key in [
        "tmp/a\nb",
        "tmp/{\"key\":\"kept\"}",
        "tmp/\"\u{1b}",
        "tmp/-",
        "kept",
    ] {
        cli(&server.url, &["put", key, "value"]).text();
    }
    for values in [&[][..], &["--values"]] {
        cli(&server.url, &["put", "tmp/c", "{\n}"]).text();
        let list = [&["list", "tmp/", "-o", "json"], values].concat();
        let listed = cli(&server.url, &list).text();
        let count = listed.lines().count();
        let run = delete(&server.url, &[], listed);
        assert_ended(
            &run,
            0,
            &format!(
                "deleted {count} {}",
                if count == 1 { "key" } else { "keys" }
            ),
        );
        assert!(run.stdout.is_empty(), "{run:?}");
    }
    assert_eq!(cli(&server.url, &["list"]).text(), "kept\n");
}

#[test]
fn more_keys_than_a_batch_holds_are_deleted() {
    let server = memory_server();
    let put = |key: &str| format!("{{\"op\":\"put\",\"key\":\"{key}\",\"value\":\"v\"}}");
    let keys: Vec<String> = (0..2500).map(|number| format!("k{number}")).collect();
    for keys in keys.chunks(1000) {
        let puts: Vec<String> = keys.iter().map(|key| put(key)).collect();
        let body = format!("{{\"operations\":[{}]}}", puts.join(","));
        let status = std::process::Command::new("curl")
            .args([
                "-sS",
                "--fail",
                "-o",
                "/dev/null",
                "-H",
                "Content-Type: application/json",
                "-d",
                &body,
            ])
            .arg(format!("{}/batch", server.url))
            .status();
        assert!(status.unwrap().success());
    }
    // Without a line break at the end, as of a file that an editor made.
    let run = delete(&server.url, &["-o", "json"], keys.join("\n"));
    assert_ended(&run, 0, "deleted 2500 keys");
    let lines = String::from_utf8(run.stdout).unwrap();
    assert_eq!(lines.lines().count(), 2500);
    assert!(
        lines.starts_with("{\"key\":\"k0\",\"deleted\":true,\"version\":\""),
        "{lines:.100}"
    );
    assert_eq!(
        cli(&server.url, &["stats", "-o", "json"]).json()["items"],
        0
    );
}

#[test]
fn keys_that_did_not_exist_are_counted() {
    let server = memory_server();
    for ignore in [false, true] {
        cli(&server.url, &["put", "a", "value"]).text();
        let args: &[&str] = if ignore { &["--ignore-missing"] } else { &[] };
        let run = delete(&server.url, args, "missing\na\nothers\n");
        let code = if ignore { 0 } else { 3 };
        assert_ended(&run, code, "deleted 1 key, 2 did not exist");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
    }
    assert_ended(&delete(&server.url, &[], ""), 0, "deleted 0 keys");
    // The same of arguments, which says nothing if it is done.
    cli(&server.url, &["delete", "a", "--ignore-missing"]).text();
}

#[test]
fn a_line_that_is_no_key_ends_it() {
    let server = memory_server();
    cli(&server.url, &["put", "a", "value"]).text();
    for (input, code, message) in [
        ("missing\n\na\n", 2, "line 2: the key is empty"),
        (
            "{\"key\":\"x\"}\na\n",
            2,
            "line 2: lines that begin with `{` are mixed",
        ),
        (
            "{\"cursor\":null}\n",
            2,
            "line 1: the line is no JSON object with a key: missing field",
        ),
        (
            &"k".repeat(1025),
            7,
            "line 1: the key has 1025 bytes, the limit is 1024",
        ),
    ] {
        delete(&server.url, &[], input).failed(code, message);
    }
    delete(&server.url, &[], [b'a', 0xff]).failed(2, "line 1: the line is not UTF-8");
    assert_eq!(cli(&server.url, &["get", "a"]).text(), "value");
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    for args in [
        &["delete", "-", "k"][..],
        &["delete", "-", "--if-match", "1"],
        &["delete", "k", "--if-match", "1", "--ignore-missing"],
    ] {
        let run = cli("memory:", args);
        assert_eq!(run.code, Some(2), "{run:?}");
    }
}
