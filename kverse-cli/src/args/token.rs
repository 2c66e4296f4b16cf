//! The arguments of the commands for access tokens.

use std::time::Duration;

use clap::{Subcommand, ValueHint};
use kverse_store::tokens::{Scope, TokenId};
use kverse_store::wire;

const CREATE_AFTER_HELP: &str = "\
Verbs:
  read     the values of keys
  write    storing
  delete   removing
  list     finding and counting keys
  watch    being told of changes
  monitor  figures about the whole service: /stats, /metrics
  admin    the tokens themselves

Examples:
  kverse-cli token create --name reports --scope read,list:reports/
  kverse-cli token create --name app --scope read,write,delete:app/ --scope read:shared/ --ttl 30d
  kverse-cli token create --name prometheus --scope monitor

The first token of a service is made on its database:
  kverse-cli --store sqlite:kverse.db token create --name me --scope read,write,delete,list,watch,monitor,admin:

The token goes to standard output, once; it cannot be shown again. With -o json:
  {\"token\":\"kv_ID_SECRET\",\"id\":\"ID\",\"name\":\"reports\",
   \"scopes\":[{\"verbs\":[\"read\",\"list\"],\"prefix\":\"reports/\"}],
   \"created_at\":\"2026-01-01T00:00:00Z\",\"expires_at\":null}";

const LIST_AFTER_HELP: &str = "\
With -o json, one line for each token:
  {\"id\":\"ID\",\"name\":\"reports\",
   \"scopes\":[{\"verbs\":[\"read\",\"list\"],\"prefix\":\"reports/\"}],
   \"created_at\":\"2026-01-01T00:00:00Z\",\"expires_at\":null}";

const ROTATE_AFTER_HELP: &str = "\
Examples:
  kverse-cli token rotate ID
  kverse-cli token rotate ID --overlap 1h

Output as of `token create`.";

#[derive(Debug, clap::Args)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    pub(crate) command: TokenCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Makes a token and prints it.
    #[command(after_help = CREATE_AFTER_HELP)]
    Create(CreateArgs),
    /// Lists the tokens, without their secrets.
    #[command(after_help = LIST_AFTER_HELP)]
    List,
    /// Ends a token.
    Revoke {
        /// The id of the token: what stands between `kv_` and the next `_`.
        #[arg(value_hint = ValueHint::Other)]
        id: TokenId,
    },
    /// Gives a token a new secret and prints it.
    #[command(after_help = ROTATE_AFTER_HELP)]
    Rotate {
        /// The id of the token: what stands between `kv_` and the next `_`.
        #[arg(value_hint = ValueHint::Other)]
        id: TokenId,

        /// How long the secret that is replaced stays valid: seconds, or a duration such as 1h30m. Default: not at all.
        #[arg(long, value_name = "TIME", value_hint = ValueHint::Other, value_parser = wire::parse_duration)]
        overlap: Option<Duration>,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// What the token is for.
    #[arg(long, value_hint = ValueHint::Other)]
    pub(crate) name: String,

    /// What it grants: verbs, and the prefix of the keys that they are for, empty for all. May be given several times.
    #[arg(long = "scope", required = true, value_name = "VERB,…:PREFIX", value_hint = ValueHint::Other)]
    pub(crate) scopes: Vec<Scope>,

    /// How long it is valid: seconds, or a duration such as 30d. Default: until it is revoked.
    #[arg(long, value_name = "TIME", value_hint = ValueHint::Other, value_parser = wire::parse_duration)]
    pub(crate) ttl: Option<Duration>,
}
