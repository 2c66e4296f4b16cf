//! Where Redis is.

use std::fmt;
use std::str::FromStr;

use kverse_core::{Error, Result};
use url::Url;

use crate::config::without_password;

/// Where a Redis server is: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, or `rediss://` for TLS. Or nodes of a Redis
/// Cluster: `redis+cluster://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]`, or `rediss+cluster://` for TLS; one that answers
/// names the others. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// The server, or the nodes, each as if it were alone: at least one.
    first: Url,
    others: Vec<Url>,
    is_cluster: bool,
}

impl RedisUrl {
    /// No more nodes need to be named.
    const MAX_NODES: usize = 64;

    /// The URL of the server, or of the first node, with its password.
    pub fn expose(&self) -> &str {
        self.first.as_str()
    }

    /// Whether it names nodes of a cluster.
    pub fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    /// The URLs of the server, or of each node, with their password.
    pub fn servers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.first)
            .chain(&self.others)
            .map(Url::as_str)
    }

    fn server(text: &str) -> Result<Self> {
        let is_one = |url: &Url| url.host_str().is_some_and(|host| !host.contains(','));
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "redis" | "rediss") && is_one(&url) => Ok(Self {
                first: url,
                others: Vec::new(),
                is_cluster: false,
            }),
            // The text is not echoed: it may hold a password.
            _ => Err(Error::invalid_input(
                "the URL of Redis is malformed: expected redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE] or rediss://, \
                 or for a cluster redis+cluster://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...] or rediss+cluster://",
            )),
        }
    }

    /// Nodes, after `scheme://`.
    fn cluster(scheme: &str, rest: &str) -> Result<Self> {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !matches!(path, "" | "/" | "/0") {
            return Err(Error::invalid_input(
                "the URL of a Redis cluster ends with its nodes: a cluster has only the database 0, and takes no options",
            ));
        }
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (format!("{user}@"), hosts),
            None => (String::new(), authority),
        };
        let count = hosts.split(',').count();
        if count > Self::MAX_NODES {
            return Err(Error::invalid_input(format!(
                "the URL of a Redis cluster names {count} nodes, the limit is {}: a few are enough, they name the others",
                Self::MAX_NODES
            )));
        }
        let mut nodes = hosts
            .split(',')
            .map(|host| Ok(Self::server(&format!("{scheme}://{user}{host}"))?.first));
        let first = nodes
            .next()
            .unwrap_or_else(|| Ok(Self::server("")?.first))?;
        Ok(Self {
            first,
            others: nodes.collect::<Result<_>>()?,
            is_cluster: true,
        })
    }
}

impl FromStr for RedisUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once("+cluster://") {
            Some((scheme @ ("redis" | "rediss"), rest)) => Self::cluster(scheme, rest),
            _ => Self::server(text),
        }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = without_password(&self.first).to_string();
        if !self.is_cluster {
            return f.write_str(&shown);
        }
        let (scheme, rest) = shown.split_once("://").unwrap_or((&shown, ""));
        write!(f, "{scheme}+cluster://{rest}")?;
        for other in &self.others {
            write!(f, ",{}", other.host_str().unwrap_or_default())?;
            if let Some(port) = other.port() {
                write!(f, ":{port}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> RedisUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_cluster_is_its_nodes() {
        let url = parse("rediss+cluster://user:p%40ss@one,two:7001,[::1]:7002");
        assert!(url.is_cluster());
        assert_eq!(
            url.servers().collect::<Vec<_>>(),
            [
                "rediss://user:p%40ss@one",
                "rediss://user:p%40ss@two:7001",
                "rediss://user:p%40ss@[::1]:7002",
            ]
        );
        assert_eq!(
            format!("{url} {url:?}"),
            ["rediss+cluster://user:***@one,two:7001,[::1]:7002"; 2].join(" ")
        );
        for plain in [
            "redis+cluster://one",
            "redis+cluster://one/",
            "redis+cluster://one/0",
        ] {
            assert_eq!(parse(plain).to_string(), "redis+cluster://one");
        }
    }

    #[test]
    fn a_server_is_one() {
        let url = parse("redis://:secret@one:6380/2");
        assert!(!url.is_cluster());
        assert_eq!(url.servers().collect::<Vec<_>>(), [url.expose()]);
        assert_eq!(url.to_string(), "redis://:***@one:6380/2");
    }

    #[test]
    fn what_is_malformed_is_refused_and_not_repeated() {
        let many = ["secret"; 65].join(",");
        for (text, word) in [
            ("redis://one,two", "redis+cluster://"),
            ("http+cluster://secret", "redis+cluster://"),
            ("redis+cluster://", "redis+cluster://"),
            ("redis+cluster://one,", "redis+cluster://"),
            ("redis+cluster://:secret@one,two:99999", "redis+cluster://"),
            ("redis+cluster://:secret@one/1", "database 0"),
            ("redis+cluster://:secret@one?protocol=resp3", "options"),
            (
                &format!("redis+cluster://{many}"),
                "names 65 nodes, the limit is 64",
            ),
        ] {
            let error = text.parse::<RedisUrl>().unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
