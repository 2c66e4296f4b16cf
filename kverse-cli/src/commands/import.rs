use kverse_core::KvStore;
use kverse_store::transfer::Import;
use kverse_store::wire::ImportReport;

use crate::args::ImportArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt;
use crate::output::{Output, complain};
use crate::pieces::Pieces;
use crate::progress::Progress;

pub(crate) async fn run(
    store: &dyn KvStore,
    args: ImportArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut pieces = Pieces::open(args.file.as_deref())?;
    let progress = Progress::new(pieces.size);
    let mut import = Import::new(store.capabilities().limits, args.on_conflict.into());
    let mut bytes = 0;
    let read = tokio::select! {
        read = read(store, &mut import, &mut pieces, &progress, &mut bytes) => read,
        () = interrupt::requested() => Err(interrupt::failure()),
    };
    let report = import.report();
    let mut summary = progress.summary("imported", report.imported, bytes);
    summary.push_str(&rest(report, import.pending()));
    if output.is_json() {
        output.json(report)?;
        output.flush()?;
    }
    match read {
        Ok(()) => {
            complain(&summary);
            Ok(Exit::Done)
        }
        Err(failure) => Err(failure.with_note(&summary)),
    }
}

async fn read(
    store: &dyn KvStore,
    import: &mut Import,
    pieces: &mut Pieces,
    progress: &Progress,
    bytes: &mut u64,
) -> Result<(), Failure> {
    loop {
        match pieces.next().await {
            Ok(Some(piece)) => {
                import.push(store, &piece).await?;
                *bytes += piece.len() as u64;
                progress.set(*bytes, import.report().imported);
            }
            Ok(None) => return Ok(import.finish(store).await?),
            Err(failure) => {
                // A line that broke off is not stored, even if it looks whole.
                import.flush(store).await?;
                return Err(failure);
            }
        }
    }
}

/// What became of the lines that were not imported.
fn rest(report: &ImportReport, pending: u64) -> String {
    let mut text = String::new();
    if report.skipped > 0 {
        text += &format!(", skipped {} whose key existed", report.skipped);
    }
    if report.expired > 0 {
        text += &format!(", left out {} that had expired", report.expired);
    }
    let unknown = report.error.as_ref().map_or(pending, |error| error.unknown);
    if unknown > 0 {
        text += &format!(", and up to {unknown} more may be stored");
    }
    text
}
