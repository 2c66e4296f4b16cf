//! The arguments of watching.

use std::ffi::OsString;
use std::num::NonZeroU64;

use clap::ValueHint;
use kverse_core::{ChangePosition, Prefix};

const AFTER_HELP: &str = "\
Examples:
  kverse-cli watch
  kverse-cli watch user/ -o json
  kverse-cli watch job/ --count 1
  kverse-cli watch config/ -- systemctl reload app
  kverse-cli watch mail/ --include-value -- sh -c 'sendmail \"${KVERSE_KEY#mail/}\"'

Each line is an event (put, delete, or expire for a key that came to its end), the version that it gave \
the key, and the key. Events come at least once, those of a key in order.

A COMMAND is run for each event, one after the other, with these variables:
  KVERSE_EVENT     put, delete or expire
  KVERSE_KEY       the key
  KVERSE_VERSION   the version that the event gave it
  KVERSE_POSITION  where to go on after it, with --since

A connection that breaks is made again, and nothing is missed. After a break of the command itself, --since goes on \
after the last event that was seen; if what came since is no longer kept, that is an error: read the keys anew, then watch \
without --since. Ctrl-C is a normal end.

With -o json, one line for each event:
  {\"event\":\"put\",\"position\":\"HRrZ8...\",\"key\":\"greeting\",
   \"version\":\"1767225600000000\"}";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct WatchArgs {
    /// Only keys that begin with this.
    #[arg(default_value = "", hide_default_value = true, value_hint = ValueHint::Other)]
    pub(crate) prefix: Prefix,

    /// Go on after this position. Default: begin with what happens now.
    #[arg(long, value_name = "POSITION", value_hint = ValueHint::Other)]
    pub(crate) since: Option<ChangePosition>,

    /// With the value of a put, if it is still the same by then; needs `-o json`, or a command, which reads it from standard
    /// input.
    #[arg(long)]
    pub(crate) include_value: bool,

    /// End after this many events.
    #[arg(long, value_name = "N", value_hint = ValueHint::Other)]
    pub(crate) count: Option<NonZeroU64>,

    /// End when the command fails. Default: say so and go on.
    #[arg(long, requires = "command")]
    pub(crate) exit_on_error: bool,

    /// The command to run for each event, after `--`.
    #[arg(last = true, value_name = "COMMAND", value_hint = ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}
