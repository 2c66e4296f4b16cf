//! The options of access control.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ipnet::IpNet;
use kverse_store::tokens::BearerToken;

/// Who is served, and how much.
#[derive(Clone, Debug, Args)]
#[non_exhaustive]
pub struct AccessOptions {
    /// Serve only who shows a valid access token, also on this machine [default: on loopback addresses everyone is served,
    /// and others cannot be listened on]
    #[arg(long, env = "KVERSE_AUTH", value_name = "MODE")]
    pub auth: Option<Auth>,

    /// Serve everyone who can connect, also from other machines
    #[arg(long, env = "KVERSE_ALLOW_ANONYMOUS")]
    pub allow_anonymous: bool,

    /// A file with an access token that may do everything, kv_ID_SECRET with a secret of at least 32 letters and digits; it
    /// can also be given as the variable KVERSE_BOOTSTRAP_TOKEN. Requires tokens, as --auth tokens does
    #[arg(long, env = "KVERSE_BOOTSTRAP_TOKEN_FILE", value_name = "FILE")]
    bootstrap_token_file: Option<PathBuf>,

    #[arg(skip)]
    bootstrap: Option<BearerToken>,

    /// Most requests of a token or, without tokens, of an address to this server: N/s, N/m or N/h [default: no limit]
    #[arg(long, env = "KVERSE_RATE_LIMIT", value_name = "RATE")]
    pub rate_limit: Option<Rate>,

    /// How many requests may come at once within --rate-limit [default: the N of the rate]
    #[arg(
        long,
        env = "KVERSE_RATE_BURST",
        value_name = "N",
        requires = "rate_limit"
    )]
    rate_burst: Option<NonZeroU32>,

    /// Addresses or networks of proxies whose X-Forwarded-For says where a request comes from, separated by commas
    #[arg(long, env = "KVERSE_TRUSTED_PROXIES", value_name = "NETWORKS")]
    #[arg(value_delimiter = ',', value_parser = parse_network)]
    pub trusted_proxies: Vec<IpNet>,

    /// A file with the certificate of the server and those that certify it, as PEM: serve HTTPS
    #[arg(
        long,
        env = "KVERSE_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,

    /// The file with the private key of the certificate, as PEM
    #[arg(
        long,
        env = "KVERSE_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
}

/// Who is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum Auth {
    /// Who shows a valid access token
    Tokens,
}

impl AccessOptions {
    /// The variable that may hold the bootstrap token. There is no flag for it: everyone can see the flags of a process.
    pub(crate) const BOOTSTRAP_TOKEN: &str = "KVERSE_BOOTSTRAP_TOKEN";

    /// Whether requests need a token.
    pub fn requires_tokens(&self) -> bool {
        self.auth == Some(Auth::Tokens) || self.bootstrap.is_some()
    }

    /// The token that may do everything.
    pub(crate) fn bootstrap(&self) -> Option<&BearerToken> {
        self.bootstrap.as_ref()
    }

    pub(crate) fn burst(&self) -> u32 {
        let of_rate = self.rate_limit.map_or(NonZeroU32::MIN, |rate| rate.count);
        self.rate_burst.unwrap_or(of_rate).get()
    }

    /// The certificate and the key, if HTTPS is served.
    pub(crate) fn tls(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }

    /// With the bootstrap token from the file or the variable.
    ///
    /// # Errors
    /// What is wrong with the options, for the operator.
    pub(crate) fn checked(mut self, variable: Option<String>) -> Result<Self, String> {
        let variable = variable.filter(|token| !token.is_empty());
        self.bootstrap = match (variable, &self.bootstrap_token_file) {
            (Some(_), Some(_)) => {
                return Err(format!(
                    "--bootstrap-token-file and {} exclude each other",
                    Self::BOOTSTRAP_TOKEN
                ));
            }
            (Some(token), None) => Some(parse_bootstrap(&token, Self::BOOTSTRAP_TOKEN)?),
            (None, Some(path)) => {
                let name = path.display();
                let token = fs::read_to_string(path).map_err(|error| {
                    format!("cannot read the bootstrap token in {name}: {error}")
                })?;
                Some(parse_bootstrap(&token, &name.to_string())?)
            }
            (None, None) => None,
        };
        if self.requires_tokens() && self.allow_anonymous {
            return Err(
                "--allow-anonymous serves everyone, --auth tokens and a bootstrap token only who has a token: give one of \
                 them"
                    .to_owned(),
            );
        }
        Ok(self)
    }

    /// Refuses to serve other machines unless it was decided who is served.
    pub(crate) fn check_address(&self, address: SocketAddr) -> Result<(), String> {
        if address.ip().is_loopback() || self.allow_anonymous || self.requires_tokens() {
            return Ok(());
        }
        Err(format!(
            "{address} can be reached from other machines: give --auth tokens to serve who has an access token, or \
             --allow-anonymous to serve everyone who can connect, or listen on a loopback address such as 127.0.0.1"
        ))
    }
}

/// The token is not echoed.
fn parse_bootstrap(token: &str, whence: &str) -> Result<BearerToken, String> {
    let token = token.trim().parse();
    token.map_err(|error| format!("the bootstrap token in {whence} cannot be used: {error}"))
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    text.parse::<IpNet>()
        .or_else(|_no_network| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_no_address| {
            "expected an address such as 10.0.0.1 or a network such as 10.0.0.0/8".to_owned()
        })
}

/// So many requests in some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: NonZeroU32,
    per: Duration,
}

impl Rate {
    pub(super) const fn per_second(count: u32) -> Self {
        let count = match NonZeroU32::new(count) {
            Some(count) => count,
            None => NonZeroU32::MIN,
        };
        Self {
            count,
            per: Duration::from_secs(1),
        }
    }

    /// The time of one request.
    pub(super) fn period(self) -> Duration {
        self.per / self.count.get()
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (count, unit) = text.split_once('/')?;
            let seconds = match unit {
                "s" => 1,
                "m" => 60,
                "h" => 60 * 60,
                _ => return None,
            };
            Some(Self {
                count: count.parse().ok()?,
                per: Duration::from_secs(seconds),
            })
        };
        parse().ok_or_else(|| "expected a rate such as 1000/s, 100/m or 10/h".to_owned())
    }
}
