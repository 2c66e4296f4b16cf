//! What a server says about itself, and whether it can be the cache.

use std::collections::HashMap;

/// What kind of server a URL names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One that stands alone.
    Server,
    /// One of a cluster.
    Node,
}

/// The answer to `INFO`, or to a command that answers in its way.
pub(super) struct Info<'a>(HashMap<&'a str, &'a str>);

impl<'a> Info<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .collect(),
        )
    }

    pub(super) fn field(&self, name: &str) -> &'a str {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// The identity of the process.
    pub(super) fn run_id(&self) -> &'a str {
        self.field("run_id")
    }

    /// Whether this is no replica.
    pub(super) fn is_primary(&self) -> bool {
        self.field("role") == "master"
    }

    /// Whether this is a server of the kind that its URL says.
    pub(super) fn check_kind(&self, kind: Kind) -> Result<(), String> {
        if self.run_id().is_empty() {
            return Err("does not tell its run_id in INFO: is it a Redis server?".to_owned());
        }
        let why = match (self.field("redis_mode"), kind) {
            ("sentinel", _) => "is a sentinel: name the server that it watches over",
            ("cluster", Kind::Server) => {
                "is a node of a cluster: name it redis+cluster://HOST:PORT, or rediss+cluster:// for TLS"
            }
            ("cluster", Kind::Node) | (_, Kind::Server) => return Ok(()),
            (_, Kind::Node) => {
                "is not a node of a cluster (cluster-enabled no): name it redis://HOST:PORT, or rediss:// for TLS"
            }
        };
        Err(why.to_owned())
    }

    /// What would have to change before this server can be the cache, or a part of it.
    pub(super) fn check(&self, kind: Kind) -> Result<(), String> {
        self.check_kind(kind)?;
        if !self.is_primary() {
            return Err(format!(
                "is a replica of {}:{}: name that server instead",
                self.field("master_host"),
                self.field("master_port")
            ));
        }
        self.check_eviction()
    }

    /// What marks a write in flight must not be evicted; it has no expiry, which protects it under `volatile-*`.
    fn check_eviction(&self) -> Result<(), String> {
        let policy = self.field("maxmemory_policy");
        let why = match policy {
            "volatile-ttl" => "evicts what readers are about to fill in before anything else",
            "noeviction" if self.field("maxmemory") != "0" => {
                "refuses every write once maxmemory is reached"
            }
            "noeviction" => return Ok(()),
            _ if policy.starts_with("volatile-") => return Ok(()),
            _ => "may evict the marks of writes in flight",
        };
        Err(format!(
            "has maxmemory-policy {policy}, which {why}: set maxmemory-policy volatile-lru"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(changes: &[(&'static str, &'static str)]) -> Result<(), String> {
        check_as(Kind::Server, changes)
    }

    fn check_as(kind: Kind, changes: &[(&'static str, &'static str)]) -> Result<(), String> {
        let mut fields = HashMap::from([
            ("run_id", "r"),
            ("redis_mode", "standalone"),
            ("role", "master"),
            ("maxmemory", "0"),
            ("maxmemory_policy", "noeviction"),
        ]);
        fields.extend(changes.iter().copied());
        let text: String = fields.iter().map(|(k, v)| format!("{k}:{v}\r\n")).collect();
        Info::parse(&text).check(kind)
    }

    #[test]
    fn only_policies_that_spare_markers_are_taken() {
        assert_eq!(check(&[]), Ok(()));
        for policy in ["volatile-lru", "volatile-lfu", "volatile-random"] {
            assert_eq!(
                check(&[("maxmemory", "1"), ("maxmemory_policy", policy)]),
                Ok(())
            );
        }
        for policy in [
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            "volatile-ttl",
            "noeviction",
        ] {
            let error = check(&[("maxmemory", "1"), ("maxmemory_policy", policy)]).unwrap_err();
            assert!(
                error.contains(policy) && error.contains("volatile-lru"),
                "{error}"
            );
        }
    }

    #[test]
    fn only_a_primary_of_the_right_kind_is_taken() {
        let cluster = ("redis_mode", "cluster");
        assert!(check(&[("role", "slave")]).unwrap_err().contains("replica"));
        assert!(
            check_as(Kind::Node, &[cluster, ("role", "slave")])
                .unwrap_err()
                .contains("replica")
        );
        assert!(check(&[cluster]).unwrap_err().contains("redis+cluster://"));
        assert_eq!(check_as(Kind::Node, &[cluster]), Ok(()));
        assert!(
            check_as(Kind::Node, &[])
                .unwrap_err()
                .contains("name it redis://")
        );
        assert!(
            check(&[("redis_mode", "sentinel")])
                .unwrap_err()
                .contains("sentinel")
        );
        assert!(check(&[("run_id", "")]).unwrap_err().contains("run_id"));
    }
}
