//! How a command ends: its exit code and its message.

use std::error::Error as StdError;
use std::io;
use std::process::ExitCode;

use kverse_core::{Error, ErrorKind};

/// The exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Error = 1,
    Usage = 2,
    NotFound = 3,
    PreconditionFailed = 4,
    NotAuthorized = 5,
    Unavailable = 6,
    OverLimit = 7,
    /// By Ctrl-C: what shells make of SIGINT.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput => Self::Usage,
            ErrorKind::TooLarge => Self::OverLimit,
            ErrorKind::PreconditionFailed | ErrorKind::Conflict => Self::PreconditionFailed,
            ErrorKind::Unauthenticated | ErrorKind::Forbidden => Self::NotAuthorized,
            ErrorKind::Unavailable | ErrorKind::StorageFull | ErrorKind::Timeout => {
                Self::Unavailable
            }
            _ => Self::Error,
        }
    }
}

/// Why a command ends before it is done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nobody reads the output any more, which is a normal end: `kverse-cli list | head`.
    OutputClosed,
    /// It failed, with this code and message.
    Failed(Exit, String),
    /// A file or the output failed, with this message: the store has no part in it.
    Local(String),
}

impl Failure {
    /// The command makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Failed(Exit::Usage, message.into())
    }

    /// The same failure, with what was done before it.
    pub(crate) fn with_note(self, note: &str) -> Self {
        match self {
            Self::OutputClosed => Self::OutputClosed,
            Self::Failed(exit, message) => Self::Failed(exit, format!("{message}; {note}")),
            Self::Local(message) => Self::Local(format!("{message}; {note}")),
        }
    }

    /// Output that cannot be written.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Local(format!("cannot write the output: {error}")),
        }
    }

    /// The same with what follows from it.
    pub(crate) fn with_context(self, context: &str) -> Self {
        match self {
            Self::Failed(exit, message) => Self::Failed(exit, format!("{context}: {message}")),
            Self::Local(message) => Self::Local(format!("{context}: {message}")),
            Self::OutputClosed => self,
        }
    }

    /// A store that failed, by its URL without password.
    pub(crate) fn of_store(self, store: &impl std::fmt::Display) -> Self {
        match self {
            Self::Failed(
                exit @ (Exit::Error | Exit::NotAuthorized | Exit::Unavailable),
                message,
            ) => Self::Failed(exit, format!("{store}: {message}")),
            other => other,
        }
    }

    /// Says on standard error what went wrong.
    pub(crate) fn report(self) -> Exit {
        match self {
            Self::OutputClosed => Exit::Done,
            Self::Failed(exit, message) => {
                crate::output::complain(&message);
                exit
            }
            Self::Local(message) => {
                crate::output::complain(&message);
                Exit::Error
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut message = error.to_string();
        // There is no log that would tell more.
        if error.kind() == ErrorKind::Internal
            && let Some(cause) = innermost_cause(&error)
        {
            message = format!("{message}: {cause}");
        }
        Self::Failed(error.kind().into(), message)
    }
}

fn innermost_cause(error: &dyn StdError) -> Option<&dyn StdError> {
    let mut cause = error.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause)
}

/// Prints what clap has to say: help, version, or what is wrong with the arguments.
pub(crate) fn after_parsing(error: &clap::Error) -> Exit {
    // Nobody may be reading.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done;
    }
    // A key that is too long is over a limit, wherever that is found out.
    let cause = error
        .source()
        .and_then(|source| source.downcast_ref::<Error>());
    cause.map_or(Exit::Usage, |error| error.kind().into())
}
