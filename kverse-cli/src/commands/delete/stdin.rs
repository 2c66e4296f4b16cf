//! Keys from standard input.

use std::io::{self, BufRead, Read};

use kverse_core::{Error, Key, Limits, Result};
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::exit::{Exit, Failure};

/// An object of which only the key matters.
#[derive(Deserialize)]
struct Listed {
    key: Key,
}

/// What the lines are, which the first one decides: what begins with `{` could be either.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Keys,
    Json,
}

/// The keys on standard input in batches, as long as they are taken. Read by a thread of its own, so that a writer who takes
/// his time does not hold up everything else.
pub(super) fn read(limits: &Limits) -> mpsc::Receiver<Result<Vec<Key>, Failure>> {
    let (sender, receiver) = mpsc::channel(1);
    let batch = limits.max_batch_operations;
    // A value may come along, in which a character takes six bytes at most.
    let max_line_bytes = (limits.max_value_bytes + limits.max_key_bytes) * 6 + (8 << 10);
    std::thread::spawn(move || {
        let mut lines = Lines::new(io::stdin().lock(), max_line_bytes);
        loop {
            let keys = lines.by_ref().take(batch).collect::<Result<Vec<_>, _>>();
            let is_last = keys.as_ref().map_or(true, |keys| keys.len() < batch);
            let is_empty = keys.as_ref().is_ok_and(Vec::is_empty);
            // Nobody may be interested in the rest.
            if is_empty || sender.blocking_send(keys).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// The keys of a text, one a line.
struct Lines<R> {
    source: R,
    max_line_bytes: usize,
    number: u64,
    form: Option<Form>,
}

impl<R: BufRead> Lines<R> {
    fn new(source: R, max_line_bytes: usize) -> Self {
        Self {
            source,
            max_line_bytes,
            number: 0,
            form: None,
        }
    }

    fn next_line(&mut self) -> Option<Result<Vec<u8>, Failure>> {
        let mut line = Vec::new();
        let limit = self.max_line_bytes as u64 + 1;
        if let Err(error) = self
            .source
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut line)
        {
            let message = format!("cannot read standard input: {error}");
            return Some(Err(Failure::Failed(Exit::Error, message)));
        }
        if line.is_empty() {
            return None;
        }
        self.number += 1;
        if line.pop_if(|last| *last == b'\n').is_none() && line.len() > self.max_line_bytes {
            let message = format!(
                "the line has more than {} bytes, the limit",
                self.max_line_bytes
            );
            return Some(Err(self.failure(Exit::OverLimit, &message)));
        }
        Some(Ok(line))
    }

    fn key(&mut self, line: &[u8]) -> Result<Key> {
        let line = std::str::from_utf8(line)
            .map_err(|error| Error::invalid_input("the line is not UTF-8").with_source(error))?;
        let looks_like = if line.starts_with('{') {
            Form::Json
        } else {
            Form::Keys
        };
        let form = *self.form.get_or_insert(looks_like);
        if form != looks_like {
            return Err(Error::invalid_input(
                "lines that begin with `{` are mixed with others: give all keys as JSON, as `list -o json` does",
            ));
        }
        match form {
            Form::Keys => line.parse(),
            Form::Json => match serde_json::from_str::<Listed>(line) {
                Ok(listed) => Ok(listed.key),
                Err(error) => Err(Error::invalid_input(format!(
                    "the line is no JSON object with a key: {error}"
                ))),
            },
        }
    }

    fn failure(&self, exit: Exit, message: &str) -> Failure {
        Failure::Failed(exit, format!("line {}: {message}", self.number))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Key, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_line()?.and_then(|line| {
            self.key(&line)
                .map_err(|error| self.failure(error.kind().into(), error.message()))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, String> {
        let keys: Result<Vec<_>, _> = Lines::new(text.as_bytes(), 100).collect();
        match keys {
            Ok(keys) => Ok(keys.iter().map(ToString::to_string).collect()),
            Err(Failure::Failed(_, message)) => Err(message),
            Err(Failure::OutputClosed | Failure::Local(_)) => unreachable!(),
        }
    }

    #[test]
    fn a_line_is_a_key_as_it_is() {
        assert_eq!(read("a b\n \r\n-\n@c").unwrap(), ["a b", " \r", "-", "@c"]);
        assert_eq!(read("").unwrap(), [""; 0]);
    }

    #[test]
    fn json_may_hold_any_key() {
        let text = "{\"key\":\"a\\nb\",\"version\":\"1\",\"value\":\"}\"}\n{\"key\":\"{\"}\n";
        assert_eq!(read(text).unwrap(), ["a\nb", "{"]);
    }

    #[test]
    fn what_is_neither_is_refused_with_its_line() {
        for (text, message) in [
            ("a\n\nb\n", "line 2: the key is empty"),
            (
                "a\n{\"key\":\"b\"}\n",
                "line 2: lines that begin with `{` are mixed",
            ),
            (
                "{\"key\":\"b\"}\na\n",
                "line 2: lines that begin with `{` are mixed",
            ),
            (
                "{\"prefix\":\"b\"}",
                "line 1: the line is no JSON object with a key",
            ),
            ("a\nb\0\n", "line 2: the key contains NUL at byte 1"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
        let longest = "k".repeat(100);
        assert_eq!(read(&format!("{longest}\n{longest}")).unwrap().len(), 2);
        let error = read(&"k".repeat(101)).unwrap_err();
        assert_eq!(error, "line 1: the line has more than 100 bytes, the limit");
    }
}
