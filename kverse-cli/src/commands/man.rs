//! The man page: one for all commands, made from their help.

use std::io;

use clap::{Arg, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use crate::args::Args;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// The heading of the options that all commands have.
const GLOBAL_OPTIONS: &str = "Global options";

pub(crate) fn run(output: &mut Output) -> Result<Exit, Failure> {
    let page = page().map_err(|error| Failure::output(&error))?;
    output.bytes(&page)?;
    Ok(Exit::Done)
}

fn page() -> io::Result<Vec<u8>> {
    let mut root = Args::command()
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .mut_subcommands(|command| command.disable_help_flag(true));
    root.build();
    let name = root.get_name().to_owned();
    let version = root.get_version().unwrap_or_default().to_owned();
    let after_help = root.get_after_help().map(ToString::to_string);

    let mut page = Vec::new();
    Man::new(root.clone())
        .title(name.to_uppercase())
        .source(format!("KVerse {version}"))
        .manual("KVerse")
        .render_title(&mut page)?;
    let mut roff = Roff::new();
    let about = root
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    section(&mut roff, "NAME");
    let about = about.split(':').next().unwrap_or_default().to_lowercase();
    roff.text([roman(format!("{name} - {about}"))]);
    section(&mut roff, "SYNOPSIS");
    roff.text(usage(&mut root));
    section(&mut roff, "DESCRIPTION");
    roff.text([roman(DESCRIPTION)]);
    section(&mut roff, "COMMANDS");
    roff.to_writer(&mut page)?;

    for command in root.get_subcommands() {
        write_command(command, &mut page)?;
    }

    let mut roff = Roff::new();
    let globals = root.get_arguments().filter(|argument| is_global(argument));
    let environment = globals.filter_map(|argument| Some((argument.get_env()?, argument)));
    let environment: Vec<_> = environment.collect();
    let mut options = Vec::new();
    Man::new(root.clone()).render_options_section(&mut options)?;
    page.extend(options);
    write_help(&mut roff, &after_help.unwrap_or_default(), "SH");
    section(&mut roff, "ENVIRONMENT");
    for (variable, argument) in environment {
        let help = argument
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        entry(&mut roff, &variable.to_string_lossy(), &format!("{help}."));
    }
    entry(
        &mut roff,
        "NO_COLOR",
        "If set, help and errors are not colored; nor are they if they do not go to a terminal.",
    );
    roff.to_writer(&mut page)?;
    Ok(page)
}

const DESCRIPTION: &str = "KVerse is a key-value store. This program works on a KVerse server over HTTP or on its \
    database itself. Data goes to standard output, messages go to standard error, and the exit code says how it ended. \
    Who reads the output may stop at any time: that is a normal end.";

/// A command with its arguments and examples.
fn write_command(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SS", [command.get_name()]);
    roff.text(usage(&mut command.clone()));
    roff.control("PP", []);
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    for paragraph in about.split("\n\n") {
        roff.text([roman(sentence(paragraph))]);
    }
    roff.to_writer(page)?;

    let mut options = Vec::new();
    Man::new(command.clone()).render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options);
    let globals = format!(".SH \"{}\"", GLOBAL_OPTIONS.to_uppercase());
    let own = options.split(&globals).next().unwrap_or_default();
    // The options belong to this section.
    for line in own
        .lines()
        .filter(|line| !line.starts_with(".SH ") && !line.starts_with(".ie "))
    {
        page.extend_from_slice(line.as_bytes());
        page.push(b'\n');
    }

    let mut roff = Roff::new();
    let after_help = command.get_after_help().map(ToString::to_string);
    write_help(&mut roff, &after_help.unwrap_or_default(), "PP");
    roff.to_writer(page)
}

/// The text behind the help: headings, indented examples and tables, and paragraphs.
fn write_help(roff: &mut Roff, text: &str, heading: &str) {
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
                entry(roff, term, meaning.trim());
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
                section(roff, &name.to_uppercase());
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
}

fn section(roff: &mut Roff, name: &str) {
    roff.control("SH", [name]);
}

fn entry(roff: &mut Roff, term: &str, meaning: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(meaning)]);
}

fn is_global(argument: &Arg) -> bool {
    argument.get_help_heading() == Some(GLOBAL_OPTIONS)
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
