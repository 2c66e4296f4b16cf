//! The command that is run for each event.

use std::ffi::OsString;
use std::io;
use std::process::{ExitStatus, Stdio};

use kverse_core::{Change, Entry};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::args::WatchArgs;
use crate::exit::{Exit, Failure};
use crate::output::complain;

pub(super) struct Hook {
    program: OsString,
    arguments: Vec<OsString>,
    exit_on_error: bool,
}

impl Hook {
    /// The command of the arguments, if there is one.
    pub(super) fn new(args: &WatchArgs) -> Option<Self> {
        let (program, arguments) = args.command.split_first()?;
        Some(Self {
            program: program.clone(),
            arguments: arguments.to_vec(),
            exit_on_error: args.exit_on_error,
        })
    }

    /// Runs the command and waits for its end. It reads the value from standard input, if there is one.
    pub(super) async fn run(&self, change: &Change, entry: Option<Entry>) -> Result<(), Failure> {
        let status = self.status(change, entry).await.map_err(|error| {
            let program = self.program.display();
            Failure::Failed(Exit::Error, format!("cannot run {program}: {error}"))
        })?;
        if status.success() {
            return Ok(());
        }
        let message = format!(
            "{} ended with {status} at the {} of {:?}",
            self.program.display(),
            change.kind,
            change.key
        );
        if self.exit_on_error {
            return Err(Failure::Failed(Exit::Error, message));
        }
        complain(&message);
        Ok(())
    }

    async fn status(&self, change: &Change, entry: Option<Entry>) -> io::Result<ExitStatus> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env("KVERSE_EVENT", change.kind.as_str())
            .env("KVERSE_KEY", change.key.as_str())
            .env("KVERSE_VERSION", change.version.to_string())
            .env("KVERSE_POSITION", change.position.to_string())
            .stdin(Stdio::null());
        let Some(entry) = entry else {
            return command.status().await;
        };
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // It need not read all of it.
            let _ = stdin.write_all(&entry.value).await;
        }
        child.wait().await
    }
}
