//! What asks a command to end, for commands that have something to say about how far they got.

use std::io;

use crate::exit::{Exit, Failure};

/// SIGINT (Ctrl-C) and SIGTERM, on Windows Ctrl-C and Ctrl-Break.
pub(crate) struct Signals {
    interrupt: system::Interrupt,
    terminate: system::Terminate,
}

impl Signals {
    /// Catches the signals from now on: they end the process no more.
    pub(crate) fn catch() -> Result<Self, Failure> {
        Self::of_the_system()
            .map_err(|error| Failure::Failed(Exit::Error, format!("cannot catch signals: {error}")))
    }

    fn of_the_system() -> io::Result<Self> {
        Ok(Self {
            interrupt: system::interrupt()?,
            terminate: system::terminate()?,
        })
    }

    /// Waits for the next of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(unix)]
mod system {
    use std::io;

    pub(super) use tokio::signal::unix::{Signal as Interrupt, Signal as Terminate};
    use tokio::signal::unix::{SignalKind, signal};

    pub(super) fn interrupt() -> io::Result<Interrupt> {
        signal(SignalKind::interrupt())
    }

    pub(super) fn terminate() -> io::Result<Terminate> {
        signal(SignalKind::terminate())
    }
}

#[cfg(windows)]
mod system {
    pub(super) use tokio::signal::windows::{
        CtrlBreak as Terminate, CtrlC as Interrupt, ctrl_break as terminate, ctrl_c as interrupt,
    };
}

/// Waits for Ctrl-C; from the first call on, it does not end the process by itself.
pub(crate) async fn requested() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Then it ends the process as it always did.
        std::future::pending().await
    }
}

/// The end of a command that was interrupted.
pub(crate) fn failure() -> Failure {
    Failure::Failed(Exit::Interrupted, "interrupted".to_owned())
}
