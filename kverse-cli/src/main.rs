//! The KVerse command line.

mod args;
mod commands;
mod exit;
mod output;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::output::Output;

// One thread: the command waits for one thing at a time.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return exit::after_parsing(&error).into(),
    };
    let mut output = Output::new(args.output);
    let result = commands::run(args, &mut output).await;
    let finished = result.and_then(|exit| output.finish().map(|()| exit));
    finished.unwrap_or_else(|failure| failure.report()).into()
}
