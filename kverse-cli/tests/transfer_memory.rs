//! How much memory exports and imports take, whatever their size.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "common/server.rs"]
mod server;

use std::fs;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::process::{Child, Command, Stdio};

use server::TestServer;

const MAX_KIB: u64 = 64 << 10;

/// How many small entries are transferred, and how many of 1 MiB.
#[derive(Clone, Copy)]
struct Size {
    small: usize,
    large: usize,
}

impl Size {
    fn entries(self) -> usize {
        self.small + self.large
    }
}

fn write_lines(to: impl Write, size: Size) -> io::Result<()> {
    let mut to = BufWriter::new(to);
    for number in 0..size.small {
        writeln!(
            to,
            "{{\"key\":\"small/{number:06}\",\"value\":\"value {number}\"}}"
        )?;
    }
    let value = "x".repeat(1 << 20);
    for number in 0..size.large {
        writeln!(
            to,
            "{{\"key\":\"large/{number:06}\",\"value\":\"{value}\"}}"
        )?;
    }
    to.flush()
}

fn spawn(store: &str, verb: &str) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin!("kverse-cli"))
        .args(["--store", store, verb])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The most memory that the process has had, in KiB.
fn peak(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Waits for the end of the process; its message, and its peak a moment before.
fn end(mut child: Child, mut peak_before: u64) -> (String, u64) {
    while child.try_wait().unwrap().is_none() {
        peak_before = peak_before.max(peak(&child).unwrap_or_default());
    }
    let output = child.wait_with_output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{message}");
    (message, peak_before)
}

fn import(store: &str, size: Size) -> u64 {
    let mut child = spawn(store, "import");
    write_lines(child.stdin.take().unwrap(), size).unwrap();
    let peak_before = peak(&child).unwrap();
    let (message, peak) = end(child, peak_before);
    println!("{peak} KiB: {message}");
    assert!(
        message.contains(&format!("imported {} entries", size.entries())),
        "{message}"
    );
    peak
}

fn export(store: &str, size: Size) -> u64 {
    let mut child = spawn(store, "export");
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let (mut buffer, mut bytes, mut most) = (vec![0; 1 << 20], 0, 0);
    loop {
        let count = lines.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        bytes += count;
        most = most.max(peak(&child).unwrap_or_default());
    }
    assert!(bytes > size.large << 20, "{bytes}");
    let (message, peak) = end(child, most);
    println!("{peak} KiB: {message}");
    assert!(
        message.contains(&format!("exported {} entries", size.entries())),
        "{message}"
    );
    peak
}

#[test]
fn it_does_not_grow_with_what_is_transferred() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", directory.path().join("kverse.db").display());
    let size = Size {
        small: 200_000,
        large: 200,
    };
    let direct = [import(&url, size), export(&url, size)];
    fs::remove_file(directory.path().join("kverse.db")).unwrap();
    let server = TestServer::start(&["--database-url", &url]);
    let size = Size {
        small: 40_000,
        large: 100,
    };
    let over_http = [import(&server.url, size), export(&server.url, size)];
    for peak in direct.into_iter().chain(over_http) {
        assert!(peak < MAX_KIB, "{direct:?} {over_http:?} KiB");
    }
}
