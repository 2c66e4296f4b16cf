//! What the README promises is there, and its commands work as they are written.
#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "common/server.rs"]
mod server;

use std::path::Path;
use std::process::Command;

use server::TestServer;

const README: &str = include_str!("../../README.md");

/// The blocks of shell commands, but for those that build or start something.
fn shell_blocks() -> Vec<String> {
    let commands = |block: &str| {
        let builds = |line: &&str| line.starts_with("make ") || line.starts_with("cargo ");
        let lines: Vec<&str> = block.lines().filter(|line| !builds(line)).collect();
        lines.join("\n")
    };
    let blocks = README.split("```sh\n").skip(1);
    let blocks = blocks.map(|rest| commands(rest.split("```").next().unwrap()));
    blocks.filter(|block| !block.is_empty()).collect()
}

#[test]
fn its_commands_work() {
    let server = TestServer::start(&["--database-url", "memory:"]);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("logo.png"), [0x89, b'P', 0, 0xff]).unwrap();
    let binaries = Path::new(env!("CARGO_BIN_EXE_kverse-cli"));
    let path = format!(
        "{}:{}",
        binaries.parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let blocks = shell_blocks();
    assert!(blocks.len() >= 6, "{blocks:?}");
    for block in blocks {
        // A block that shows what goes wrong may.
        let fail = if block.contains("\"status\":4") {
            ""
        } else {
            "--fail"
        };
        let curl = format!("curl() {{ command curl -sS --max-time 30 {fail} \"$@\"; }}");
        let script = format!("{curl}\n{block}").replace("http://127.0.0.1:8000", &server.url);
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(directory.path())
            .env("PATH", &path)
            .env("KVERSE_STORE", &server.url)
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{block}\n{stdout}\n{stderr}");
        // What the block says it prints, in this order.
        let mut rest = stdout.as_str();
        for expected in block.lines().filter_map(|line| line.strip_prefix("# {")) {
            let found = rest.split_once(&format!("{{{expected}"));
            rest = found
                .unwrap_or_else(|| panic!("{expected}\nis not in\n{stdout}"))
                .1;
        }
    }
    let copy = std::fs::read(directory.path().join("copy.png")).unwrap();
    assert_eq!(copy, [0x89, b'P', 0, 0xff]);
}

/// Whether a file has this test: a function, what a macro or a list makes one of, a fault by its name as a
/// type, or a test in a browser by its title.
fn has_test(text: &str, name: &str) -> bool {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    });
    let variant = words.collect::<String>();
    [
        format!("fn {name}("),
        format!("fn {name}<"),
        format!("    {name}: "),
        format!("(\"{name}\", "),
        format!("    Self::{variant},"),
        format!("test('{name}'"),
    ]
    .iter()
    .any(|declaration| text.contains(declaration))
}

#[test]
fn each_guarantee_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let section = README.split("## Guarantees").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|l| l.starts_with("| ")).collect();
    assert!(rows.len() > 8, "{rows:?}");
    for row in rows.iter().skip(1) {
        // [`name`](file)
        let mut tests = row.split("[`").skip(1).peekable();
        assert!(tests.peek().is_some(), "no test: {row}");
        for test in tests {
            let (name, rest) = test.split_once("`](").unwrap();
            let file = rest.split(')').next().unwrap();
            let text = std::fs::read_to_string(root.join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(has_test(&text, name), "{name} in {file}");
        }
    }
}
