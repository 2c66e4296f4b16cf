use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, IsTerminal, Read};

use bytes::Bytes;
use kverse_core::{
    Error, ErrorKind, KvStore, KvStoreExt, Precondition, PutOptions, Timestamp, Version,
};
use serde::Serialize;

use crate::args::PutArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::pieces::cannot_read;

/// The line of JSON for a put.
#[derive(Serialize)]
struct Stored {
    version: Version,
    /// Whether the key did not exist before.
    created: bool,
    expires_at: Option<Timestamp>,
}

pub(crate) async fn run(
    store: &dyn KvStore,
    args: PutArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let max_bytes = store.capabilities().limits.max_value_bytes;
    let value = read_value(args.value.as_deref(), max_bytes)?;
    let precondition = match args.if_match {
        Some(precondition) => precondition,
        None if args.if_absent => Precondition::Absent,
        None => Precondition::None,
    };
    let content_type = args.content_type.or_else(|| {
        let path = args.value.as_deref().and_then(file_name)?;
        mime_guess::from_path(path).first_raw()?.parse().ok()
    });
    let options = PutOptions::default()
        .with_content_type(content_type)
        .with_expiry(args.ttl)
        .with_precondition(precondition);
    let outcome = store.put_opts(&args.key, value, options).await?;
    if output.is_json() {
        output.json(&Stored {
            version: outcome.version,
            created: !outcome.existed,
            expires_at: outcome.expires_at,
        })?;
    }
    Ok(Exit::Done)
}

/// The value that the argument names.
fn read_value(argument: Option<&OsStr>, max_bytes: usize) -> Result<Bytes, Failure> {
    let stdin = io::stdin();
    match argument.map(OsStr::as_encoded_bytes) {
        Some(b"-") => read(stdin, "standard input", max_bytes),
        Some([b'@', ..]) => read_file(argument.and_then(file_name), max_bytes),
        Some(value) => Ok(Bytes::copy_from_slice(value)),
        None if stdin.is_terminal() => Err(Failure::usage(
            "no value: give VALUE, @FILE, or - to type it and end with Ctrl-D",
        )),
        None => read(stdin, "standard input", max_bytes),
    }
}

/// The file that an argument names.
fn file_name(argument: &OsStr) -> Option<&str> {
    argument.to_str()?.strip_prefix('@')
}

fn read_file(path: Option<&str>, max_bytes: usize) -> Result<Bytes, Failure> {
    let Some(path) = path else {
        return Err(Failure::usage(
            "the name of the file is not UTF-8: give the file as standard input",
        ));
    };
    let file = File::open(path).map_err(|error| cannot_read(path, &error))?;
    let metadata = file.metadata().map_err(|error| cannot_read(path, &error))?;
    let bytes = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    if metadata.is_file() && bytes > max_bytes {
        return Err(Error::too_large("value", "bytes", max_bytes, bytes).into());
    }
    read(file, path, max_bytes)
}

/// Everything there is to read, unless that is more than a value may have: then no more than that is read.
fn read(source: impl Read, name: &str, max_bytes: usize) -> Result<Bytes, Failure> {
    let mut value = Vec::new();
    source
        .take(max_bytes as u64 + 1)
        .read_to_end(&mut value)
        .map_err(|error| cannot_read(name, &error))?;
    if value.len() > max_bytes {
        let message = format!("the value has more than {max_bytes} bytes, the limit");
        return Err(Error::new(ErrorKind::TooLarge, message).into());
    }
    Ok(value.into())
}
