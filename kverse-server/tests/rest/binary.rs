//! The program: its options, its messages, its end.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

/// The program with nothing of ours in its environment.
fn command() -> Command {
    without_settings(Command::new(PROGRAM))
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_kverse-server");

fn without_settings(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy().starts_with("KVERSE_");
        if ours || name == "DATABASE_URL" || name == "REDIS_URL" {
            command.env_remove(name);
        }
    }
    command
}

/// The program on a free port, logging JSON.
pub(crate) fn program(database_url: &str) -> Command {
    program_at(database_url, "127.0.0.1:0")
}

fn program_at(database_url: &str, address: &str) -> Command {
    let mut command = command();
    command.args(["--database-url", database_url]).args([
        "--listen",
        address,
        "--log-format",
        "json",
    ]);
    command
}

/// The URL of the SQLite database in this file.
pub(crate) fn sqlite(database: &Path) -> String {
    format!("sqlite:{}", database.display())
}

/// A running server. It is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
    /// What it logged until it was listening.
    pub(crate) start_of_log: String,
    rest_of_log: Option<JoinHandle<String>>,
}

impl Process {
    /// A server over a store in memory.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::spawn(program("memory:").args(options))
    }

    /// A server over the SQLite database in this file.
    pub(crate) fn start_on(database: &Path) -> Self {
        Self::spawn(&mut program(&sqlite(database)))
    }

    /// The same again, at the address that it had.
    pub(crate) fn restart_on(database: &Path, address: SocketAddr) -> Self {
        Self::spawn(&mut program_at(&sqlite(database), &address.to_string()))
    }

    /// One of several servers over a PostgreSQL database and a Redis cache, at this address.
    pub(crate) fn start_replica(database_url: &str, redis_url: &str, address: &str) -> Self {
        Self::spawn(program_at(database_url, address).args(["--redis-url", redis_url]))
    }

    /// A server over the store at this URL, with these options.
    pub(crate) fn start_at(database_url: &str, options: &[&str]) -> Self {
        Self::spawn(program(database_url).args(options))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut lines = Vec::new();
        let address = loop {
            let mut line = String::new();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "ended early: {lines:?}"
            );
            let record: Value = serde_json::from_str(&line).unwrap();
            lines.push(line);
            if record["message"] == "listening" {
                break record["address"].as_str().unwrap().parse().unwrap();
            }
        };
        let rest_of_log = std::thread::spawn(move || {
            let mut rest = String::new();
            log.read_to_string(&mut rest).unwrap();
            rest
        });
        Self {
            child,
            address,
            start_of_log: lines.concat(),
            rest_of_log: Some(rest_of_log),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How much memory it uses.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = resident.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().unwrap() * 1024
    }

    /// Sends SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Sends SIGTERM, and waits; what it logged after it was listening.
    pub(crate) fn stop(self) -> String {
        self.terminate();
        let (code, log) = self.wait();
        assert_eq!(code, Some(0), "{log}");
        log
    }

    /// The exit code, and what it logged after it was listening.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        (
            status.code(),
            self.rest_of_log.take().unwrap().join().unwrap(),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The exit code, stdout and stderr of a program that ends on its own.
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String, String) {
    // One that does not end must fail the test.
    let mut command = without_settings(Command::new("timeout"));
    command.args(["--kill-after=1", "120", PROGRAM]);
    command.args(arguments).envs(environment.iter().copied());
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn it_ends_with_0_when_it_is_asked_to() {
    let log = Process::start(&[]).stop();
    assert!(log.contains("SIGTERM") && log.contains("stopped"), "{log}");
}

#[test]
fn help_says_what_it_needs_to_say() {
    let (code, help, _) = run(&["--help"], &[]);
    assert_eq!(code, 0);
    for expected in [
        "[env: DATABASE_URL]",
        "[env: KVERSE_LISTEN=]",
        "[default: sqlite:kverse.db]",
        "[default: 127.0.0.1:8000]",
        "--allow-anonymous",
        "curl ",
        "Exit status",
    ] {
        assert!(help.contains(expected), "{expected} is missing in:\n{help}");
    }
    let (code, version, _) = run(&["--version"], &[]);
    assert_eq!(
        (code, version),
        (
            0,
            concat!("kverse-server ", env!("CARGO_PKG_VERSION"), "\n").to_owned()
        )
    );
}

#[test]
fn wrong_use_ends_with_2_and_says_what_is_wrong() {
    let listen_to_all = ["--listen", "0.0.0.0:0"];
    for (arguments, environment, expected) in [
        (&["--no-such-option"][..], &[][..], "--no-such-option"),
        (&[], &[("KVERSE_LISTN", "127.0.0.1:1")], "KVERSE_LISTN"),
        (&[], &[("KVERSE_WORKERS", "0")], "--workers"),
        (&["--workers", "0"], &[], "--workers"),
        (&["--log", "loud=very"], &[], "--log"),
        (
            &[],
            &[("KVERSE_GRAFANA_URL", "javascript:alert(1)")],
            "--grafana-url",
        ),
        (&[], &[("REDIS_URL", "http://:secret@host")], "redis://"),
        (
            &[],
            &[("DATABASE_URL", "oracle://me:secret@host")],
            "unknown kind of store",
        ),
        (&listen_to_all, &[], "--allow-anonymous"),
    ] {
        let (code, stdout, stderr) = run(arguments, environment);
        assert_eq!(code, 2, "{arguments:?} {environment:?}: {stderr}");
        assert!(
            stderr.contains(expected),
            "{expected} is missing in: {stderr}"
        );
        assert!(!stderr.contains("secret"), "{stderr}");
        assert_eq!(stdout, "");
    }
}

#[test]
fn what_it_cannot_do_ends_with_1_and_one_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stdout, stderr) = run(&["--database-url", "memory:", "--listen", &address], &[]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(
        stderr.contains(&format!("cannot listen on {address}")),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}
