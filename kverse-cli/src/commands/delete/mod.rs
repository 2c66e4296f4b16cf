mod prefix;
mod stdin;

use kverse_core::{Key, KvStore, Precondition, Version, Write, WriteOutcome};
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
    if let Some(prefix) = &args.prefix {
        return prefix::delete(store, prefix, args.yes, output).await;
    }
    let keys = args.keys.len();
    let reads_stdin = args.keys.iter().any(|key| key.as_str() == "-");
    if args.if_match.is_some() && keys > 1 {
        return Err(Failure::usage(format!(
            "--if-match is for a single key, {keys} were given"
        )));
    }
    if reads_stdin && (keys > 1 || args.if_match.is_some()) {
        return Err(Failure::usage(
            "`-` reads the keys from standard input: it goes without other keys and without --if-match",
        ));
    }
    let mut deletion = Deletion {
        store,
        precondition: args.if_match.unwrap_or_default(),
        ignore_missing: args.ignore_missing,
        names_missing: !args.ignore_missing && !reads_stdin,
        exit: Exit::Done,
        deleted: 0,
        missing: 0,
    };
    if reads_stdin {
        let result = deletion.all_of_stdin(output).await;
        complain(&deletion.summary());
        result?;
    } else {
        let batch = store.capabilities().limits.max_batch_operations;
        for keys in args.keys.chunks(batch) {
            deletion.batch(keys, output).await?;
        }
    }
    Ok(deletion.exit)
}

/// What has been deleted so far, and how.
struct Deletion<'a> {
    store: &'a dyn KvStore,
    precondition: Precondition,
    ignore_missing: bool,
    /// Whether each key that does not exist is worth a message.
    names_missing: bool,
    exit: Exit,
    deleted: u64,
    missing: u64,
}

impl Deletion<'_> {
    async fn all_of_stdin(&mut self, output: &mut Output) -> Result<(), Failure> {
        let mut batches = stdin::read(&self.store.capabilities().limits);
        while let Some(keys) = batches.recv().await {
            self.batch(&keys?, output).await?;
        }
        Ok(())
    }

    async fn batch(&mut self, keys: &[Key], output: &mut Output) -> Result<(), Failure> {
        let write = |key: &Key| Write::delete(key.clone()).with_precondition(self.precondition);
        let outcomes = self.store.write(keys.iter().map(write).collect()).await?;
        for (key, outcome) in keys.iter().zip(outcomes) {
            let ended = self.report(key, outcome, output)?;
            // An error says more than a key that was not there.
            if matches!(self.exit, Exit::Done | Exit::NotFound) && ended != Exit::Done {
                self.exit = ended;
            }
        }
        Ok(())
    }

    fn report(
        &mut self,
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
            self.deleted += 1;
            return Ok(Exit::Done);
        }
        self.missing += 1;
        if self.names_missing {
            complain(&format!("the key {key:?} does not exist"));
        }
        Ok(if self.ignore_missing {
            Exit::Done
        } else {
            Exit::NotFound
        })
    }

    fn summary(&self) -> String {
        let keys = if self.deleted == 1 { "key" } else { "keys" };
        let deleted = format!("deleted {} {keys}", self.deleted);
        match self.missing {
            0 => deleted,
            missing => format!("{deleted}, {missing} did not exist"),
        }
    }
}
