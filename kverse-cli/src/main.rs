//! The KVerse command line.

mod args;
mod commands;
mod exit;
mod file;
mod interrupt;
mod output;
mod pieces;
mod progress;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

use crate::args::{Args, Command};
use crate::exit::{Exit, Failure};
use crate::output::Output;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return exit::after_parsing(&error).into(),
    };
    run(args).unwrap_or_else(Failure::report).into()
}

fn run(args: Args) -> Result<Exit, Failure> {
    let mut runtime = match args.command {
        Command::Bench(_) => Builder::new_multi_thread(),
        // One thread: the other commands wait for one thing at a time.
        _ => Builder::new_current_thread(),
    };
    let runtime = runtime.enable_all().build().map_err(|error| {
        Failure::Failed(Exit::Error, format!("cannot start the runtime: {error}"))
    })?;
    let mut output = Output::new(args.output);
    let exit = runtime.block_on(commands::run(args, &mut output))?;
    output.finish()?;
    Ok(exit)
}
