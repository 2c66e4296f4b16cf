//! What a server says about itself, and whether it can be the cache.

use std::collections::HashMap;

/// The answer to `INFO`.
pub(super) struct Info<'a>(HashMap<&'a str, &'a str>);

impl<'a> Info<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .collect(),
        )
    }

    fn field(&self, name: &str) -> &'a str {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// The identity of the process.
    pub(super) fn run_id(&self) -> &'a str {
        self.field("run_id")
    }

    /// What would have to change before this server can be the cache.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.run_id().is_empty() {
            return Err("does not tell its run_id in INFO: is it a Redis server?".to_owned());
        }
        match self.field("redis_mode") {
            "cluster" => {
                return Err(
                    "is a node of a cluster, and a batch of keys must be on one node: \
                            use a server with cluster-enabled no"
                        .to_owned(),
                );
            }
            "sentinel" => {
                return Err("is a sentinel: name the server that it watches over".to_owned());
            }
            _ => {}
        }
        if self.field("role") != "master" {
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
        let mut fields = HashMap::from([
            ("run_id", "r"),
            ("redis_mode", "standalone"),
            ("role", "master"),
            ("maxmemory", "0"),
            ("maxmemory_policy", "noeviction"),
        ]);
        fields.extend(changes.iter().copied());
        let text: String = fields.iter().map(|(k, v)| format!("{k}:{v}\r\n")).collect();
        Info::parse(&text).check()
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
    fn only_a_single_master_is_taken() {
        assert!(check(&[("role", "slave")]).unwrap_err().contains("replica"));
        assert!(
            check(&[("redis_mode", "cluster")])
                .unwrap_err()
                .contains("cluster")
        );
        assert!(
            check(&[("redis_mode", "sentinel")])
                .unwrap_err()
                .contains("sentinel")
        );
        assert!(check(&[("run_id", "")]).unwrap_err().contains("run_id"));
    }
}
