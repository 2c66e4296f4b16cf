//! The arguments of the load generator.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueHint;
use kverse_core::Prefix;

const AFTER_HELP: &str = "\
Examples:
  kverse-cli bench
  kverse-cli bench --clients 64 --duration 30s --mix get=95,put=5
  kverse-cli bench --rate 2000 --duration 1m
  kverse-cli --store sqlite:bench.db bench --requests 100000 -o json

Without --rate each client sends its next request when the last one was answered: a store that \
stalls is asked less while it does, and the stall is one slow answer for each client. With --rate requests are due at \
fixed times, whatever the store does, and a request that could not be sent in time because all clients were waiting is as late as \
its answer is: this is what the users of a service see. Requests that were due but could not be sent before the end \
are counted as errors, `not_sent`.

A key that a delete removed is stored again by a later put, if there are any. A get that finds no key is no error. \
Requests are not tried again when they fail. Ctrl-C ends the measurement; what was measured is printed and the keys are removed all \
the same. A second one leaves them.

A put, get or delete of a server goes by POST /batch with one operation, as those of other commands do.";

#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct BenchArgs {
    /// How many requests may be under way at a time: 1 to 10000.
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, default_value = "16",
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) clients: u32,

    /// How long to measure, for example 500ms or 2m; at most a day. Default: 10s, or until --requests are done.
    #[arg(long, value_name = "TIME", value_hint = ValueHint::Other, value_parser = super::parse_time)]
    pub(crate) duration: Option<Duration>,

    /// How many requests to send.
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, conflicts_with = "duration")]
    pub(crate) requests: Option<NonZeroU64>,

    /// How many requests are due each second, over all clients. Default: as many as are answered.
    #[arg(long, value_name = "N", value_hint = ValueHint::Other)]
    pub(crate) rate: Option<NonZeroU32>,

    /// The shares of get, put and delete.
    #[arg(long, value_name = "SHARES", value_hint = ValueHint::Other, default_value_t)]
    pub(crate) mix: Mix,

    /// How many keys there are: 1 to 1000000.
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, default_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) keys: u32,

    /// The size of each value.
    #[arg(long, value_name = "N", value_hint = ValueHint::Other, default_value = "100")]
    pub(crate) value_bytes: usize,

    /// What the keys begin with.
    #[arg(long, value_hint = ValueHint::Other, default_value = "kverse-bench/")]
    pub(crate) prefix: Prefix,

    /// Go on if there are keys with this prefix. Those that have the names of the benchmark's, the prefix and a number of
    /// seven digits, are overwritten, and removed at the end.
    #[arg(long)]
    pub(crate) force: bool,
}

/// How many of all requests are gets, puts and deletes: `get=80,put=20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mix {
    pub(crate) get: u16,
    pub(crate) put: u16,
    pub(crate) delete: u16,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            get: 80,
            put: 20,
            delete: 0,
        }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shares = [
            ("get", self.get),
            ("put", self.put),
            ("delete", self.delete),
        ];
        let shares = shares.iter().filter(|(_, share)| *share > 0);
        let shares: Vec<_> = shares
            .map(|(name, share)| format!("{name}={share}"))
            .collect();
        f.write_str(&shares.join(","))
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix = Self {
            get: 0,
            put: 0,
            delete: 0,
        };
        for part in text.split(',') {
            let (name, share) = part.split_once('=').ok_or_else(|| {
                format!("`{part}` is no share: expected for example get=80,put=20")
            })?;
            let field = match name {
                "get" => &mut mix.get,
                "put" => &mut mix.put,
                "delete" => &mut mix.delete,
                _ => return Err(format!("`{name}` is not one of get, put and delete")),
            };
            if *field > 0 {
                return Err(format!("{name} is given twice"));
            }
            *field = share
                .parse()
                .ok()
                .filter(|share| *share > 0)
                .ok_or_else(|| format!("`{share}` is no share of {name}: expected 1 to 65535"))?;
        }
        Ok(mix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_read_as_it_is_shown() {
        for text in ["get=80,put=20", "get=1,put=2,delete=3", "delete=1"] {
            assert_eq!(text.parse::<Mix>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "get",
            "get=",
            "get=-1",
            "get=0",
            "get=1,get=1",
            "fly=1",
            "get=1,",
        ] {
            assert!(text.parse::<Mix>().is_err(), "{text}");
        }
    }
}
