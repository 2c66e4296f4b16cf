//! Data on standard output, messages on standard error.

use std::fmt::{self, Write as _};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use crate::args::Format;
use crate::exit::Failure;

/// Standard output, buffered.
pub(crate) struct Output {
    format: Format,
    is_terminal: bool,
    stdout: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        let stdout = io::stdout();
        Self {
            format,
            is_terminal: stdout.is_terminal(),
            stdout: BufWriter::new(stdout.lock()),
        }
    }

    /// Whether a person looks at it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// An object as a line of JSON.
    pub(crate) fn json(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.stdout, object)
            .map_err(io::Error::from)
            .and_then(|()| self.stdout.write_all(b"\n"))
            .map_err(|error| Failure::output(&error))
    }

    /// A line of text. On a terminal its control characters are escaped: it would obey them.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        let written = if self.is_terminal {
            writeln!(self.stdout, "{}", Escaped(text))
        } else {
            writeln!(self.stdout, "{text}")
        };
        written.map_err(|error| Failure::output(&error))
    }

    /// Bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = self.stdout.write_all(bytes);
        written.map_err(|error| Failure::output(&error))
    }

    /// Bytes as they are, with a line break at the end if a person looks at them.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let mut written = self.stdout.write_all(bytes);
        if self.is_terminal && !bytes.ends_with(b"\n") {
            written = written.and_then(|()| self.stdout.write_all(b"\n"));
        }
        written.map_err(|error| Failure::output(&error))
    }

    /// Sends on what is buffered.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.stdout.flush().map_err(|error| Failure::output(&error))
    }

    /// The end of the output.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }
}

/// A message on standard error.
pub(crate) fn complain(message: &str) {
    // Where nobody can read it there is nothing left to do.
    let _ = writeln!(io::stderr(), "kverse-cli: {message}");
}

/// Text with its control characters escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| {
            if character.is_control() {
                character.escape_default().fmt(f)
            } else {
                f.write_char(character)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_control_characters_are_escaped() {
        let shown = Escaped("ключ \"a\"\n\u{1b}[31m").to_string();
        assert_eq!(shown, "ключ \"a\"\\n\\u{1b}[31m");
    }
}
