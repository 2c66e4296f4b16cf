//! The man page and the completions.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use common::cli;

/// Runs a program with this input; what it says on either stream, after it ended well.
fn filtered(command: &mut Command, input: &str) -> String {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn the_man_page_renders_without_a_warning() {
    let page = cli("memory:", &["man"]).text();
    let mut check = Command::new("groff");
    check.args(["-man", "-Tascii", "-ww", "-z"]);
    assert_eq!(filtered(&mut check, &page), "");

    let mut render = Command::new("groff");
    render.args(["-man", "-Tascii", "-P-cbou", "-rLL=80n"]);
    let text = filtered(&mut render, &page);
    for heading in [
        "NAME",
        "SYNOPSIS",
        "COMMANDS",
        "GLOBAL OPTIONS",
        "EXIT CODES",
        "ENVIRONMENT",
    ] {
        assert!(
            text.contains(&format!("\n{heading}\n")),
            "{heading} in {text}"
        );
    }
    for expected in [
        "\n   bench\n       kverse-cli bench [OPTIONS]\n",
        "\n         kverse-cli list tmp/ -o json | kverse-cli delete -\n",
        "\n       KVERSE_STORE\n",
        "\n       --rate <N>\n",
    ] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn each_command_is_in_the_man_page_and_has_help_of_80_columns() {
    let help = cli("memory:", &["--help"]).text();
    let page = cli("memory:", &["man"]).text();
    let commands = help.split("Commands:\n").nth(1).unwrap();
    let commands = commands.split("\n\n").next().unwrap();
    let names: Vec<&str> = commands
        .lines()
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        assert!(page.contains(&format!("\n.SS {name}\n")), "{name}");
        let mut help = common::command("memory:", &[name, "--help"]);
        let help = common::Run::of(help.env("COLUMNS", "80")).text();
        let longest = help
            .lines()
            .max_by_key(|line| line.chars().count())
            .unwrap();
        assert!(longest.chars().count() <= 80, "{name}: {longest}");
    }
}

/// What bash offers for the last of these words.
fn completed(words: &[&str]) -> Vec<String> {
    let script = cli("memory:", &["completions", "bash"]).text();
    let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let last = words.len() - 1;
    let script = format!(
        "compopt() {{ :; }}\n{script}\nCOMP_WORDS=({words})\nCOMP_CWORD={last}\n\
         words=$(complete -p kverse-cli) && words=${{words#*-F }}\n\
         ${{words%% *}} kverse-cli {word} {previous}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words = words.join(" "),
        word = words[last],
        previous = words[last - 1],
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-u"]);
    let offered = filtered(bash.current_dir(env!("CARGO_MANIFEST_DIR")), &script);
    offered.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_values_and_files() {
    assert_eq!(completed(&["kverse-cli", "mig"]), ["migrate"]);
    assert_eq!(completed(&["kverse-cli", "put", "--if-a"]), ["--if-absent"]);
    assert_eq!(completed(&["kverse-cli", "list", "-o", "js"]), ["json"]);
    assert_eq!(completed(&["kverse-cli", "completions", "z"]), ["zsh"]);
    assert_eq!(
        completed(&["kverse-cli", "get", "k", "--to", "Cargo"]),
        ["Cargo.toml"]
    );
    // No file is a time.
    assert_eq!(completed(&["kverse-cli", "--timeout", "Cargo"]), ["Cargo"]);
}

#[test]
fn other_shells_are_told_what_values_are() {
    let script = |shell| cli("memory:", &["completions", shell]).text();
    assert!(script("zsh").contains("--to=[") && script("zsh").contains(":FILE:_files"));
    assert!(script("zsh").contains(":URL:_urls"));
    let fish = script("fish");
    let to = fish.lines().find(|line| line.contains("-l to ")).unwrap();
    assert!(to.contains("-r -F"), "{to}");
    let limit = fish
        .lines()
        .find(|line| line.contains("-l limit "))
        .unwrap();
    assert!(limit.contains("-r -f"), "{limit}");
    assert!(script("elvish").contains("--ignore-missing"));
    assert!(script("powershell").contains("--ignore-missing"));
}

/// The fields of a JSON object.
fn fields(object: &serde_json::Value) -> Vec<&String> {
    object.as_object().unwrap().keys().collect()
}

#[test]
fn help_shows_the_json_that_commands_print() {
    let directory = tempfile::tempdir().unwrap();
    let store = format!("sqlite:{}", directory.path().join("kverse.db").display());
    for command in [
        &["put", "greeting", "hello"][..],
        &["get", "greeting"],
        &["list"],
        &["stats"],
        &["health"],
        &["delete", "greeting"],
    ] {
        let help = cli("memory:", &[command[0], "--help"]).text();
        let shown = help.split("With -o json").nth(1).unwrap();
        let shown = &shown[shown.find('{').unwrap()..];
        let mut shown = serde_json::Deserializer::from_str(shown).into_iter();
        let shown: serde_json::Value = shown.next().unwrap().unwrap();
        let printed = cli(&store, &[command, &["-o", "json"]].concat()).json();
        assert_eq!(fields(&printed), fields(&shown), "{command:?}");
    }
    cli(&store, &["completions", "tcsh"]).failed(2, "invalid value 'tcsh'");
}
