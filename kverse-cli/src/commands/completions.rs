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
    clap_complete::generate(shell, &mut command, &name, &mut script);
    if shell == Shell::Bash {
        script = with_commands(&name, &String::from_utf8_lossy(&script)).into_bytes();
    }
    output.bytes(&script)?;
    Ok(Exit::Done)
}

/// The script for bash with one name for each command: clap_complete writes the hyphen in the program's name in two ways
/// (clap-rs/clap#6421), so that nothing after a command would be completed.
fn with_commands(name: &str, script: &str) -> String {
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}
