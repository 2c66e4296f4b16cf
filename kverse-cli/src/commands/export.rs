use std::path::Path;

use kverse_core::KvStore;
use kverse_store::transfer::Export;
use serde::Serialize;

use crate::args::ExportArgs;
use crate::exit::{Exit, Failure};
use crate::file::NewFile;
use crate::interrupt;
use crate::output::{Output, complain};
use crate::progress::Progress;

/// What was exported: the line of JSON, if standard output is not the export itself.
#[derive(Default, Serialize)]
struct Exported {
    exported: u64,
    bytes: u64,
}

/// Where the lines go.
enum Target<'a> {
    Stdout(&'a mut Output),
    File(NewFile),
}

pub(crate) async fn run(
    store: &dyn KvStore,
    args: ExportArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut target = Target::open(args.to.as_deref(), output)?;
    let progress = target.progress();
    let mut done = Exported::default();
    let mut export = Export::new(args.prefix);
    let copied = tokio::select! {
        copied = copy(store, &mut export, &mut target, &progress, &mut done) => copied,
        () = interrupt::requested() => Err(interrupt::failure()),
    };
    let copied = copied.and_then(|()| target.finish());
    let summary = progress.summary("exported", done.exported, done.bytes);
    match copied {
        Ok(()) if args.to.is_some() && output.is_json() => output.json(&done)?,
        Ok(()) => complain(&summary),
        Err(failure) => {
            let note = "what was exported is not complete";
            return Err(failure.with_note(&format!("{summary}: {note}")));
        }
    }
    Ok(Exit::Done)
}

async fn copy(
    store: &dyn KvStore,
    export: &mut Export,
    target: &mut Target<'_>,
    progress: &Progress,
    done: &mut Exported,
) -> Result<(), Failure> {
    while let Some(chunk) = export.next(store).await? {
        match target {
            Target::Stdout(output) => output.raw(&chunk.lines)?,
            Target::File(file) => file.write(&chunk.lines)?,
        }
        done.exported += chunk.entries;
        done.bytes += chunk.lines.len() as u64;
        progress.set(done.bytes, done.exported);
    }
    Ok(())
}

impl<'a> Target<'a> {
    fn open(file: Option<&Path>, output: &'a mut Output) -> Result<Self, Failure> {
        match file {
            None => Ok(Self::Stdout(output)),
            Some(path) => NewFile::create(path).map(Self::File),
        }
    }

    fn progress(&self) -> Progress {
        match self {
            // The two would mix.
            Self::Stdout(output) if output.is_terminal() => Progress::hidden(),
            _ => Progress::new(None),
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout(output) => output.flush(),
            Self::File(file) => file.finish(),
        }
    }
}
