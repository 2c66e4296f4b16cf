//! What the command line accepts, and its help.

mod bench;
mod token;
mod transfer;
mod watch;

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use kverse_core::{ContentType, Expiry, Key, Precondition, Prefix};
use kverse_store::wire;

pub(crate) use self::bench::{BenchArgs, Mix};
pub(crate) use self::token::{CreateArgs, TokenArgs, TokenCommand};
pub(crate) use self::transfer::{BackupArgs, ExportArgs, ImportArgs};
pub(crate) use self::watch::WatchArgs;

// The man page is made from these texts, too: an indented line is an example, or, with two spaces in it, an entry of a table.
// They are wrapped for 80 columns here: clap does not know of tables.
const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  another error
  2  wrong usage or malformed input
  3  the key does not exist
  4  the precondition does not hold: --if-match, --if-absent, or that nothing
     is where `bench` would write
  5  not authorized: no token, one that is unknown or has expired, or one that
     does not allow this
  6  the store is unavailable or full, or did not answer in time
  7  over a limit, for example of the size of a value
  130  export, import: interrupted by Ctrl-C

Stores:
  http://HOST, https://HOST  a KVerse server
  sqlite:PATH                an SQLite file, made if it is not there; not while
                             a server has it open
  postgresql://USER@HOST/DB  a PostgreSQL database; if servers cache it in a
                             Redis, --redis-url must name that Redis: the
                             command marks what it writes there, as they do,
                             and is refused if it cannot
  memory:                    nothing but this one command; for trying things out

Examples:
  kverse-cli put greeting hello
  kverse-cli get greeting
  kverse-cli list user/ -o json
  kverse-cli list tmp/ -o json | kverse-cli delete -
  kverse-cli --store sqlite:kverse.db stats

Data goes to standard output, messages to standard error. `kverse-cli COMMAND --help` has the \
examples of a command, `kverse-cli man | man -l -` all of them.";

const PUT_AFTER_HELP: &str = "\
Examples:
  kverse-cli put greeting hello
  kverse-cli put logo @logo.png
  date | kverse-cli put now
  kverse-cli put session/42 token --ttl 1h30m
  kverse-cli put lock mine --if-absent --ttl 30s
  kverse-cli put counter 2 --if-match 1767225600000000

A value that begins with `@`, or is `-`, goes through standard input:
  printf %s @handle | kverse-cli put name
One that begins with another hyphen goes after `--`:
  kverse-cli put flag -- --verbose

With -o json:
  {\"version\":\"1767225600000000\",\"created\":true,\"expires_at\":null}";

const GET_AFTER_HELP: &str = "\
Examples:
  kverse-cli get greeting
  kverse-cli get logo > logo.png
  kverse-cli get logo --to logo.png
  kverse-cli get greeting -o json | jq -r .version

With -o json, where a value that is not UTF-8 is in `value_base64` instead:
  {\"key\":\"greeting\",\"version\":\"1767225600000000\",\"size\":5,
   \"content_type\":null,\"expires_at\":null,\"value\":\"hello\"}";

const DELETE_AFTER_HELP: &str = "\
Examples:
  kverse-cli delete greeting
  kverse-cli delete lock --if-match 1767225600000000
  kverse-cli list tmp/ -o json | kverse-cli delete -
  kverse-cli delete - --ignore-missing < keys.txt
  kverse-cli delete --prefix tmp/ --yes

Standard input has a key on each line or, if its first line begins with `{`, JSON objects with a \
`key`, one a line, as `list -o json` prints them. Keys may contain line breaks: pass on JSON what you have not \
made yourself. A line that is neither ends the command with its number; what is above it may be deleted by then. \
How many keys were deleted is said at the end.

With -o json, one line for each key:
  {\"key\":\"greeting\",\"deleted\":true,\"version\":\"1767225600000000\"}
With --prefix, one line for all:
  {\"prefix\":\"tmp/\",\"deleted\":3}";

const LIST_AFTER_HELP: &str = "\
Examples:
  kverse-cli list
  kverse-cli list user/ --limit 10
  kverse-cli list user/ --start-after user/42
  kverse-cli list user/ -o json --values | jq -r .value

Without --limit all keys are listed, a page after the other, however many there are.

A key may contain line breaks and other control characters. They are shown escaped on a terminal \
and come out as they are elsewhere: a script that may meet them reads -o json.

With -o json, one line for each key:
  {\"key\":\"greeting\",\"version\":\"1767225600000000\",\"size\":5,
   \"content_type\":null,\"expires_at\":null}";

const STATS_AFTER_HELP: &str = "\
With -o json:
  {\"items\":42,\"as_of\":\"2026-01-01T00:00:00Z\"}";

const HEALTH_AFTER_HELP: &str = "\
Ends with 6 if a check fails, but for those of what the store can do without:
the Redis of a database.

With -o json:
  {\"status\":\"ok\",
   \"checks\":[{\"name\":\"database\",\"status\":\"ok\",\"duration_ms\":0.8}]}";

const MIGRATE_AFTER_HELP: &str = "\
Servers and all other commands migrate as well when they open a database. Where they may not change its schema, this \
command does it for them, as a user who may; they need no more than to read and write its tables then.

Examples:
  kverse-cli --store postgresql://owner@db/kverse migrate --status
  kverse-cli --store postgresql://owner@db/kverse migrate

A version of KVerse works with the schema of a newer one if that says so; --status shows what is of a newer version. \
--revert takes a database back for a version that does not: stop all servers, and undo the last migration, then the one before \
it, as far as needed. What only such a migration made a place for is lost.
  kverse-cli --store sqlite:kverse.db migrate --revert 2026-11-26-000000_changes

With -o json, one line for each migration, whose state is applied, applied now, pending or of a newer version:
  {\"migration\":\"2026-11-23-000000_create_kv\",\"state\":\"applied\"}";

const COMPLETIONS_AFTER_HELP: &str = "\
Examples:
  source <(kverse-cli completions bash)
  kverse-cli completions zsh > ~/.zfunc/_kverse-cli
  kverse-cli completions fish > ~/.config/fish/completions/kverse-cli.fish";

const MAN_AFTER_HELP: &str = "\
Examples:
  kverse-cli man | man -l -
  kverse-cli man > /usr/local/share/man/man1/kverse-cli.1";

/// Reads and writes the keys of a KVerse store: of a server, or of a database itself.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Args {
    /// The store to work on.
    // Text here: clap would repeat a malformed URL, with its password, in its message.
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "URL",
        value_hint = ValueHint::Url,
        env = "KVERSE_STORE",
        hide_env_values = true,
        default_value = "http://127.0.0.1:8000"
    )]
    pub(crate) store: String,

    /// The Redis in front of a postgresql: store, which the servers of that database use.
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "URL",
        value_hint = ValueHint::Url,
        env = "REDIS_URL",
        hide_env_values = true
    )]
    pub(crate) redis_url: Option<String>,

    /// The access token to show to a server, kv_ID_SECRET. Others can see it on the command line: give it by the variable or a
    /// file.
    // Text here: clap would repeat a malformed one in its message.
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "TOKEN",
        value_hint = ValueHint::Other,
        env = "KVERSE_TOKEN",
        hide_env_values = true
    )]
    pub(crate) token: Option<String>,

    /// A file with the access token, which then wins over the variable.
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "FILE",
        value_hint = ValueHint::FilePath,
        env = "KVERSE_TOKEN_FILE"
    )]
    pub(crate) token_file: Option<PathBuf>,

    /// How long a server may take for a request, for example 500ms or 2m; at most a day.
    ///
    /// That is with its retries: a request that surely had no effect is tried up to three times, half a second apart. A write
    /// whose answer does not come is not tried again: it may or may not be stored (exit code 6). Databases have limits of
    /// their own, of a few seconds.
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "TIME",
        value_hint = ValueHint::Other,
        default_value = "30s",
        value_parser = parse_time
    )]
    pub(crate) timeout: Duration,

    /// How to print data.
    #[arg(
        short,
        long,
        global = true,
        help_heading = "Global options",
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    pub(crate) output: Format,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How to print data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Plain text.
    #[default]
    Text,
    /// JSON, one object a line, as in the REST interface.
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stores a value under a key.
    Put(PutArgs),
    /// Prints the value of a key.
    ///
    /// The bytes come out exactly as they were stored; a line break is added on a terminal only.
    Get(GetArgs),
    /// Removes keys.
    ///
    /// A key that does not exist is reported, and the others are removed nevertheless.
    Delete(DeleteArgs),
    /// Lists keys in byte order, one a line.
    List(ListArgs),
    /// Tells what happens to keys, or runs a command each time.
    Watch(WatchArgs),
    /// Writes all entries as lines of JSON, which `import` reads.
    ///
    /// In byte order of the keys, with content types and expiry times, in little memory however many there are.
    Export(ExportArgs),
    /// Stores the entries that `export` wrote.
    Import(ImportArgs),
    /// Copies an SQLite database to a new file, also while a server has it open.
    ///
    /// The copy is a database itself, as the original is after some commit, with everything that was acknowledged before. Only
    /// its owner may read it.
    Backup(BackupArgs),
    /// Counts the keys.
    #[command(after_help = STATS_AFTER_HELP)]
    Stats,
    /// Checks the store and everything that it stands on.
    #[command(after_help = HEALTH_AFTER_HELP)]
    Health,
    /// Brings the schema of a database up to date.
    Migrate(MigrateArgs),
    /// Measures how fast a store answers.
    ///
    /// Reads and writes keys of its own at random, which it stores before and removes at the end. Latencies go from the
    /// request to its answer or, with --rate, from the time at which the request was due.
    Bench(BenchArgs),
    /// Makes, lists, ends and renews access tokens.
    Token(TokenArgs),
    /// Prints the completions of a shell.
    #[command(after_help = COMPLETIONS_AFTER_HELP)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints the man page.
    #[command(after_help = MAN_AFTER_HELP)]
    Man,
}

#[derive(Debug, clap::Args)]
#[command(after_help = PUT_AFTER_HELP)]
pub(crate) struct PutArgs {
    /// The key: UTF-8, 1 to 1024 bytes.
    #[arg(value_hint = ValueHint::Other)]
    pub(crate) key: Key,

    /// The value, `@FILE` for the content of a file, or `-` for standard input, which is also read if nothing is given and
    /// it is not a terminal.
    #[arg(allow_negative_numbers = true, value_hint = ValueHint::FilePath)]
    pub(crate) value: Option<OsString>,

    /// Replace only if the key has this version; `*`: only if it exists.
    #[arg(long, value_name = "VERSION", value_hint = ValueHint::Other, value_parser = if_match)]
    pub(crate) if_match: Option<Precondition>,

    /// Store only if the key does not exist.
    #[arg(long, conflicts_with = "if_match")]
    pub(crate) if_absent: bool,

    /// Remove the key after this time: seconds, or a duration such as 1h30m. `keep` leaves the time that the replaced value
    /// had, `none` is without end.
    #[arg(long, value_hint = ValueHint::Other, default_value = "none", value_parser = wire::parse_ttl)]
    pub(crate) ttl: Expiry,

    /// The media type to store with the value. Default: for @FILE what the name's ending stands for, otherwise none.
    #[arg(long, value_name = "TYPE", value_hint = ValueHint::Other)]
    pub(crate) content_type: Option<ContentType>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = GET_AFTER_HELP)]
pub(crate) struct GetArgs {
    /// The key.
    #[arg(value_hint = ValueHint::Other)]
    pub(crate) key: Key,

    /// Write the value to this file instead. If the key does not exist, the file stays as it is.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = DELETE_AFTER_HELP)]
pub(crate) struct DeleteArgs {
    /// The keys, or `-` to read them from standard input.
    #[arg(required_unless_present = "prefix", value_name = "KEY", value_hint = ValueHint::Other)]
    pub(crate) keys: Vec<Key>,

    /// Remove all keys that begin with this, after a question on the terminal; elsewhere it needs --yes. How many there
    /// were is said at the end.
    #[arg(long, value_hint = ValueHint::Other, conflicts_with_all = ["keys", "if_match", "ignore_missing"])]
    pub(crate) prefix: Option<Prefix>,

    /// Do not ask.
    #[arg(long, requires = "prefix")]
    pub(crate) yes: bool,

    /// Remove only if the key has this version; `*`: only if it exists. For a single key.
    #[arg(long, value_name = "VERSION", value_hint = ValueHint::Other, value_parser = if_match)]
    pub(crate) if_match: Option<Precondition>,

    /// Take it for done if a key does not exist: no message, exit code 0.
    #[arg(long, conflicts_with = "if_match")]
    pub(crate) ignore_missing: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = LIST_AFTER_HELP)]
pub(crate) struct ListArgs {
    /// Only keys that begin with this.
    #[arg(default_value = "", hide_default_value = true, value_hint = ValueHint::Other)]
    pub(crate) prefix: Prefix,

    /// Only keys after this one.
    #[arg(long, value_name = "KEY", value_hint = ValueHint::Other)]
    pub(crate) start_after: Option<Key>,

    /// At most this many keys.
    #[arg(long, value_name = "N", value_hint = ValueHint::Other)]
    pub(crate) limit: Option<NonZeroUsize>,

    /// With the values; needs `-o json`.
    #[arg(long)]
    pub(crate) values: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = MIGRATE_AFTER_HELP)]
pub(crate) struct MigrateArgs {
    /// Only say what there is to do.
    #[arg(long)]
    pub(crate) status: bool,

    /// Undo this migration, the last one, instead.
    #[arg(long, value_name = "NAME", conflicts_with = "status", value_hint = ValueHint::Other)]
    pub(crate) revert: Option<String>,
}

/// A time that a person waits: more than nothing, at most a day.
fn parse_time(text: &str) -> Result<Duration, String> {
    const MAX: Duration = Duration::from_secs(24 * 60 * 60);
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() || time > MAX {
        return Err("it is out of range: more than 0, at most a day".to_owned());
    }
    Ok(time)
}

fn if_match(version: &str) -> kverse_core::Result<Precondition> {
    wire::parse_precondition(Some(version), None)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }
}
