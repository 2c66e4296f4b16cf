//! The man page: one for all commands, made from their help.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::args::Args;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// The heading of the options that all commands have.
const GLOBAL_OPTIONS: &str = "Global options";

const SUMMARY: &str = "read and write the keys of a KVerse store";

const DESCRIPTION: &str = "KVerse is a key-value store. This program works on a KVerse server over HTTP or on its \
    database itself. Data goes to standard output, messages go to standard error, and the exit code says how it ended. \
    Who reads the output may stop at any time: that is a normal end.";

const COLORS: &str =
    "If set, help and errors are not colored; nor are they if they do not go to a terminal.";

pub(crate) fn run(output: &mut Output) -> Result<Exit, Failure> {
    let page = page().map_err(|error| Failure::output(&error))?;
    output.bytes(page.as_bytes())?;
    Ok(Exit::Done)
}

fn page() -> io::Result<String> {
    let mut root = Args::command()
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .mut_subcommands(|command| command.disable_help_flag(true));
    root.build();

    let mut roff = Roff::new();
    let name = root.get_name();
    let release = format!("KVerse {}", root.get_version().unwrap_or_default());
    // Without a date: it is as new as the program.
    roff.control("TH", [&*name.to_uppercase(), "1", " ", &*release]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!("{name} - {SUMMARY}"))]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text(usage(&mut root));
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(DESCRIPTION)]);
    roff.control("SH", ["COMMANDS"]);
    let mut page = roff.render();

    for command in root.get_subcommands() {
        add(&mut page, &start_of(command));
        // They belong to the section of the command, which has no sections of its own.
        let options = options(command)?;
        let own = options.split(&global_options()).next().unwrap_or_default();
        let lines = own.lines().filter(|line| !line.starts_with(".SH"));
        lines.for_each(|line| page.extend([line, "\n"]));
        add(&mut page, &after_help(command, "PP"));
    }
    page += &options(&root)?;
    add(&mut page, &after_help(&root, "SH"));
    add(&mut page, &environment(&root));
    Ok(page)
}

/// The lines of a part of the page, but for the definitions that the page begins with.
fn without_preamble(part: &str) -> impl Iterator<Item = &str> {
    let is_preamble = |line: &&str| line.starts_with(".ie ") || line.starts_with(".el ");
    part.lines().filter(move |line| !is_preamble(line))
}

fn add(page: &mut String, roff: &Roff) {
    without_preamble(&roff.render()).for_each(|line| page.extend([line, "\n"]));
}

/// A command, how it is called, and what it does.
fn start_of(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SS", [command.get_name()]);
    roff.text(usage(&mut command.clone()));
    roff.control("PP", []);
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    for paragraph in about.split("\n\n") {
        roff.text([roman(sentence(paragraph))]);
    }
    roff
}

/// The arguments of a command.
fn options(command: &Command) -> io::Result<String> {
    let mut options = Vec::new();
    Man::new(command.clone()).render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options);
    let lines: Vec<_> = without_preamble(&options).collect();
    Ok(lines.join("\n") + "\n")
}

/// The line with which the options begin that all commands have.
fn global_options() -> String {
    format!(".SH \"{}\"", GLOBAL_OPTIONS.to_uppercase())
}

fn environment(root: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    for argument in root.get_arguments() {
        if let Some(variable) = argument.get_env() {
            let help = argument.get_help().map(ToString::to_string);
            let help = sentence(&help.unwrap_or_default());
            entry(&mut roff, &variable.to_string_lossy(), &help);
        }
    }
    entry(&mut roff, "NO_COLOR", COLORS);
    roff
}

/// The text behind the help: headings, indented examples and tables, and paragraphs.
fn after_help(command: &Command, heading: &str) -> Roff {
    let text = command.get_after_help().map(ToString::to_string);
    let text = text.unwrap_or_default();
    let mut roff = Roff::new();
    let mut is_example = false;
    let mut is_entry = false;
    for line in text.lines() {
        let is_indented = line.starts_with("  ");
        let trimmed = line.trim();
        let columns = trimmed
            .split_once("  ")
            .filter(|_| is_indented && !is_example);
        if is_example && !is_indented {
            roff.control("EE", []);
            is_example = false;
        }
        match (columns, line.strip_suffix(':')) {
            (Some((term, meaning)), _) => {
                entry(&mut roff, term, meaning.trim());
                is_entry = true;
            }
            // The rest of an entry.
            _ if is_indented && is_entry => {
                roff.text([roman(trimmed)]);
            }
            _ if is_indented => {
                if !is_example {
                    roff.control("EX", []);
                    is_example = true;
                }
                roff.text([roman(line)]);
            }
            (_, Some(name)) if heading == "SH" => {
                roff.control("SH", [&*name.to_uppercase()]);
                is_entry = false;
            }
            _ if trimmed.is_empty() => is_entry = false,
            _ => {
                roff.control("PP", []);
                roff.text([roman(line)]);
            }
        }
    }
    if is_example {
        roff.control("EE", []);
    }
    roff
}

fn entry(roff: &mut Roff, term: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(meaning)]);
}

/// How a command is called.
fn usage(command: &mut Command) -> Vec<Inline> {
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    match usage.strip_prefix(name) {
        Some(arguments) => vec![bold(name), roman(arguments)],
        None => vec![roman(usage)],
    }
}

/// Help has no full stop at the end of its first paragraph.
fn sentence(text: &str) -> String {
    let text = text.trim();
    let end = if text.ends_with(['.', ':', '?']) {
        ""
    } else {
        "."
    };
    format!("{text}{end}")
}
