use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(crate) fn run(shell: Shell, output: &mut Output) -> Result<Exit, Failure> {
    let mut command = Args::command();
    let name = command.get_name().to_owned();
    // Into memory first: the generator panics when nobody reads its output.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    output.bytes(&script)?;
    Ok(Exit::Done)
}
