use kverse_store::{StoreUrl, backup};
use serde::Serialize;

use crate::args::BackupArgs;
use crate::exit::{Exit, Failure};
use crate::file::NewFile;
use crate::output::{Output, complain};

/// What was copied: the line of JSON.
#[derive(Serialize)]
struct BackedUp {
    bytes: u64,
}

pub(crate) async fn run(
    url: &StoreUrl,
    args: &BackupArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let file = NewFile::private(&args.file)?;
    backup(url, file.place()).await?;
    let bytes = file.finish_new()?;
    if output.is_json() {
        output.json(&BackedUp { bytes })?;
    } else {
        complain(&format!(
            "backed up {bytes} bytes to {}",
            args.file.display()
        ));
    }
    Ok(Exit::Done)
}
