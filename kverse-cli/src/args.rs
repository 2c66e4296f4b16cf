//! What the command line accepts, and its help.

use std::ffi::OsString;
use std::num::NonZeroUsize;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use kverse_core::{ContentType, Expiry, Key, Precondition, Prefix, Result};
use kverse_store::wire;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  another error
  2  wrong usage or malformed input
  3  the key does not exist
  4  the precondition (--if-match, --if-absent) does not hold
  6  the store is unavailable or full, or did not answer in time
  7  over a limit, for example of the size of a value

Stores:
  http://HOST, https://HOST  a KVerse server
  sqlite:PATH                an SQLite file, made if it is not there; not while a server has it open
  postgresql://USER@HOST/DB  a PostgreSQL database; if servers cache it in a Redis, --redis-url must name that Redis:
                             the command marks what it writes there, as they do, and is refused if it cannot
  memory:                    nothing but this one command; for trying things out

Examples:
  kverse-cli put greeting hello
  kverse-cli get greeting
  kverse-cli list user/ -o json
  kverse-cli --store sqlite:kverse.db stats";

const PUT_EXAMPLES: &str = "\
Examples:
  kverse-cli put greeting hello
  kverse-cli put logo @logo.png --content-type image/png
  date | kverse-cli put now
  kverse-cli put session/42 token --ttl 1h30m
  kverse-cli put counter 2 --if-match 1767225600000000

A value that begins with `@`, or is `-`, goes through standard input:
  printf %s @handle | kverse-cli put name
One that begins with another hyphen goes after `--`:
  kverse-cli put flag -- --verbose";

const GET_EXAMPLES: &str = "\
Examples:
  kverse-cli get greeting
  kverse-cli get logo > logo.png
  kverse-cli get greeting -o json | jq -r .version";

const LIST_EXAMPLES: &str = "\
Examples:
  kverse-cli list
  kverse-cli list user/ --limit 10
  kverse-cli list user/ -o json --values | jq -r .value

A key may contain line breaks and other control characters. They are shown escaped on a terminal \
and come out as they are elsewhere: a script that may meet them reads -o json.";

/// Reads and writes the keys of a KVerse store.
#[derive(Debug, Parser)]
#[command(version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Args {
    /// The store to work on.
    // Text here: clap would repeat a malformed URL, with its password, in its message.
    #[arg(
        long,
        global = true,
        help_heading = "Global options",
        value_name = "URL",
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
        env = "REDIS_URL",
        hide_env_values = true
    )]
    pub(crate) redis_url: Option<String>,

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
    /// Prints the value of a key, byte for byte; a line break is added on a terminal only.
    Get(GetArgs),
    /// Removes keys. One that does not exist is reported, and the others are removed nevertheless.
    Delete(DeleteArgs),
    /// Lists keys in byte order, one a line.
    List(ListArgs),
    /// Counts the keys.
    Stats,
    /// Checks the store and everything that it stands on.
    Health,
    /// Prints the completions of a shell.
    #[command(after_help = "Example:\n  source <(kverse-cli completions bash)")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = PUT_EXAMPLES)]
pub(crate) struct PutArgs {
    /// The key: UTF-8, 1 to 1024 bytes.
    pub(crate) key: Key,

    /// The value, `@FILE` for the content of a file, or `-` for standard input, which is also read if nothing is given and
    /// it is not a terminal.
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: Option<OsString>,

    /// Replace only if the key has this version; `*`: only if it exists.
    #[arg(long, value_name = "VERSION", value_parser = if_match)]
    pub(crate) if_match: Option<Precondition>,

    /// Store only if the key does not exist.
    #[arg(long, conflicts_with = "if_match")]
    pub(crate) if_absent: bool,

    /// Remove the key after this time: seconds, or a duration such as 1h30m. `keep` leaves the time that the replaced value
    /// had, `none` is without end.
    #[arg(long, default_value = "none", value_parser = wire::parse_ttl)]
    pub(crate) ttl: Expiry,

    /// The media type to store with the value.
    #[arg(long, value_name = "TYPE")]
    pub(crate) content_type: Option<ContentType>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = GET_EXAMPLES)]
pub(crate) struct GetArgs {
    /// The key.
    pub(crate) key: Key,
}

#[derive(Debug, clap::Args)]
pub(crate) struct DeleteArgs {
    /// The keys.
    #[arg(required = true, value_name = "KEY")]
    pub(crate) keys: Vec<Key>,

    /// Remove only if the key has this version; `*`: only if it exists. For a single key.
    #[arg(long, value_name = "VERSION", value_parser = if_match)]
    pub(crate) if_match: Option<Precondition>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = LIST_EXAMPLES)]
pub(crate) struct ListArgs {
    /// Only keys that begin with this.
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: Prefix,

    /// Only keys after this one.
    #[arg(long, value_name = "KEY")]
    pub(crate) start_after: Option<Key>,

    /// At most this many keys.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZeroUsize>,

    /// With the values; needs `-o json`.
    #[arg(long)]
    pub(crate) values: bool,
}

fn if_match(version: &str) -> Result<Precondition> {
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
