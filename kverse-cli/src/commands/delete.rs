use kverse_core::{Key, KvStore, Version, Write, WriteOutcome};
use serde::Serialize;

use crate::args::DeleteArgs;
use crate::exit::{Exit, Failure};
use crate::output::{Output, complain};

/// The line of JSON for a key.
#[derive(Serialize)]
struct Deleted<'a> {
    key: &'a Key,
    /// Whether the key existed.
    deleted: bool,
    version: Version,
}

pub(crate) async fn run(
    store: &dyn KvStore,
    args: DeleteArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if args.if_match.is_some() && args.keys.len() > 1 {
        return Err(Failure::usage(format!(
            "--if-match is for a single key, {} were given",
            args.keys.len()
        )));
    }
    let precondition = args.if_match.unwrap_or_default();
    let mut exit = Exit::Done;
    for keys in args
        .keys
        .chunks(store.capabilities().limits.max_batch_operations)
    {
        let write = |key: &Key| Write::delete(key.clone()).with_precondition(precondition);
        let outcomes = store.write(keys.iter().map(write).collect()).await?;
        for (key, outcome) in keys.iter().zip(outcomes) {
            let ended = report(key, outcome, output)?;
            // An error says more than a key that was not there.
            if matches!(exit, Exit::Done | Exit::NotFound) && ended != Exit::Done {
                exit = ended;
            }
        }
    }
    Ok(exit)
}

fn report(
    key: &Key,
    outcome: kverse_core::Result<WriteOutcome>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            complain(&format!("cannot delete {key:?}: {error}"));
            return Ok(error.kind().into());
        }
    };
    if output.is_json() {
        output.json(&Deleted {
            key,
            deleted: outcome.existed,
            version: outcome.version,
        })?;
    }
    if outcome.existed {
        return Ok(Exit::Done);
    }
    complain(&format!("the key {key:?} does not exist"));
    Ok(Exit::NotFound)
}
