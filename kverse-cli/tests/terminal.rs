//! What is different on a terminal.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "common/server.rs"]
mod server;

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use common::cli;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use server::TestServer;

/// A terminal: what sits in front of it, and what a program sees of it.
fn terminal() -> (File, File) {
    let front = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&front).unwrap();
    unlockpt(&front).unwrap();
    let name = ptsname(&front, Vec::new()).unwrap().into_string().unwrap();
    let program = File::options().read(true).write(true).open(name).unwrap();
    (front.into(), program)
}

fn command(store: &str, args: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("kverse-cli"));
    command.env("KVERSE_STORE", store).args(args);
    command
}

/// What a program with its output on a terminal shows there.
fn shown(mut command: Command) -> String {
    let (mut front, program) = terminal();
    let status = command.stdin(Stdio::null()).stdout(program).status();
    drop(command);
    assert!(status.unwrap().success());
    let mut shown = Vec::new();
    // Ends with an error: nobody is at the other side any more.
    let _ = front.read_to_end(&mut shown);
    String::from_utf8(shown).unwrap()
}

#[test]
fn put_without_a_value_is_refused() {
    let server = TestServer::start(&["--database-url", "memory:"]);
    let (front, program) = terminal();
    let output = command(&server.url, &["put", "k"])
        .stdin(program)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(
        message.contains("no value: give VALUE, @FILE, or -"),
        "{message}"
    );
    cli(&server.url, &["get", "k"]).failed(3, "does not exist");
    assert_eq!(
        cli(&server.url, &["stats", "-o", "json"]).json()["items"],
        0
    );
    drop(front);
}

#[test]
fn a_value_ends_with_a_line_break_and_keys_are_escaped() {
    let server = TestServer::start(&["--database-url", "memory:"]);
    cli(&server.url, &["put", "a\u{1b}[31m\nb", "value"]).text();
    cli(&server.url, &["put", "line", "value\n"]).text();
    // The terminal makes \r\n of a line break.
    let get = |key: &str| shown(command(&server.url, &["get", key]));
    assert_eq!(get("a\u{1b}[31m\nb"), "value\r\n");
    assert_eq!(get("line"), "value\r\n");
    let listed = shown(command(&server.url, &["list"]));
    assert_eq!(listed, "a\\u{1b}[31m\\nb\r\nline\r\n");
}

#[test]
fn help_has_colors_unless_they_are_not_wanted() {
    let help = |variable: Option<&str>| {
        let mut help = command("memory:", &["--help"]);
        help.env("TERM", "xterm")
            .env_remove("NO_COLOR")
            .env_remove("CLICOLOR");
        help.envs(variable.map(|name| (name, "1")));
        shown(help)
    };
    assert!(help(None).contains('\u{1b}'));
    assert!(!help(Some("NO_COLOR")).contains('\u{1b}'));
    // Not a terminal.
    assert!(!cli("memory:", &["--help"]).text().contains('\u{1b}'));
}
