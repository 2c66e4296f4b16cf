//! The arguments of backup, export and import.

use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};
use kverse_core::Prefix;
use kverse_store::transfer::OnConflict;

const EXPORT_AFTER_HELP: &str = "\
Examples:
  kverse-cli export > all.ndjson
  kverse-cli export user/ --to users.ndjson
  kverse-cli export | kverse-cli --store sqlite:copy.db import

Each line is a JSON object:
  {\"key\":\"greeting\",\"value\":\"hello\",\"version\":\"1767225600000000\"}

A value that is not UTF-8 is Base64, in value_base64; content_type and expires_at are there if the entry has them. An entry \
that is written meanwhile comes out as it was or as it is. An export that fails ends with another exit code than 0.

With --to and -o json:
  {\"exported\":42,\"bytes\":3161}";

const IMPORT_AFTER_HELP: &str = "\
Examples:
  kverse-cli import all.ndjson
  gunzip -c all.ndjson.gz | kverse-cli import --on-conflict skip

Entries that have expired are left out, versions are new. The first line that cannot be stored ends the import; those \
before it are stored. An import that was broken off can be repeated.

With -o json, also if it fails, then with the line as error:
  {\"imported\":42,\"skipped\":0,\"expired\":0}";

const BACKUP_AFTER_HELP: &str = "\
Example:
  kverse-cli --store sqlite:kverse.db backup copy.db

It gets its name when it is complete. To restore it, stop the server and put it in the place of the database, without the \
files next to that whose names end with -wal and -shm.

With -o json:
  {\"bytes\":40960}";

#[derive(Debug, clap::Args)]
#[command(after_help = BACKUP_AFTER_HELP)]
pub(crate) struct BackupArgs {
    /// The file to make.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXPORT_AFTER_HELP)]
pub(crate) struct ExportArgs {
    /// Only keys that begin with this.
    #[arg(default_value = "", hide_default_value = true, value_hint = ValueHint::Other)]
    pub(crate) prefix: Prefix,

    /// Write to this file instead of standard output. It gets its name when it is complete; until then, what had the name
    /// before keeps it.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = IMPORT_AFTER_HELP)]
pub(crate) struct ImportArgs {
    /// The file to read; `-` is standard input, which is also read if nothing is given and it is not a terminal.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,

    /// What to do with a line whose key exists.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub(crate) on_conflict: Conflict,
}

/// What to do with a line whose key exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Conflict {
    /// Replace the entry.
    #[default]
    Overwrite,
    /// Leave the entry as it is.
    Skip,
    /// End the import.
    Fail,
}

impl From<Conflict> for OnConflict {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Overwrite => Self::Overwrite,
            Conflict::Skip => Self::Skip,
            Conflict::Fail => Self::Fail,
        }
    }
}
