use std::path::Path;

use kverse_core::{Entry, KvStore, KvStoreExt};
use kverse_store::wire::{KeyResponse, encode_value};

use crate::args::GetArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(crate) async fn run(
    store: &dyn KvStore,
    args: GetArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if args.to.is_some() && output.is_json() {
        return Err(Failure::usage(
            "--to is for the value itself: without -o json",
        ));
    }
    let Some(entry) = store.get(&args.key).await? else {
        let message = format!("the key {:?} does not exist", args.key);
        return Err(Failure::Failed(Exit::NotFound, message));
    };
    if let Some(path) = args.to {
        write_file(&path, &entry)?;
    } else if output.is_json() {
        let (value, value_base64) = encode_value(&entry.value);
        output.json(&KeyResponse {
            key: args.key,
            version: entry.version,
            size: entry.value.len() as u64,
            content_type: entry.content_type,
            expires_at: entry.expires_at,
            value,
            value_base64,
        })?;
    } else {
        output.bytes(&entry.value)?;
    }
    Ok(Exit::Done)
}

fn write_file(path: &Path, entry: &Entry) -> Result<(), Failure> {
    std::fs::write(path, &entry.value)
        .map_err(|error| Failure::Local(format!("cannot write {}: {error}", path.display())))
}
