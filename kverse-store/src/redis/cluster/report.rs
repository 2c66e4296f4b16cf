//! What a node says of itself and of its cluster.

use std::collections::{BTreeMap, BTreeSet};

use redis::aio::MultiplexedConnection;
use redis::{Value, cmd, pipe};

use super::super::info::{Info, Kind};
use super::super::link::LinkError;
use super::slots::SLOTS;

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

/// The answers of one node.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// The name of the node in its cluster, which outlives its process.
    pub(super) id: String,
    pub(super) run_id: String,
    pub(super) is_primary: bool,
    /// Whether it takes the cluster for complete, and itself for a part of it.
    pub(super) is_ok: bool,
    /// Grows when the node becomes a primary, and when a slot that it had lost comes back to it.
    pub(super) config_epoch: u64,
    /// Its slots whose keys are on their way to another node, or come from one.
    pub(super) open: BTreeSet<u16>,
    /// Who owns which slots, as far as this node knows.
    pub(super) owners: Vec<Range>,
    /// Where the nodes are that own slots, and their replicas.
    pub(super) addresses: BTreeMap<String, Address>,
}

/// Slots of one owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) owner: String,
}

impl Report {
    /// Asks the node at the other end, which was reached at this address.
    pub(super) async fn ask(
        connection: &mut MultiplexedConnection,
        asked: &Address,
    ) -> Result<Self, LinkError> {
        let info = cmd("INFO").query_async::<String>(connection).await;
        let info = info.map_err(LinkError::Redis)?;
        let info = Info::parse(&info);
        info.check_kind(Kind::Node).map_err(LinkError::Unfit)?;
        let mut questions = pipe();
        for question in ["INFO", "NODES", "SLOTS"] {
            questions.cmd("CLUSTER").arg(question);
        }
        let answers = questions.query_async::<(String, String, Value)>(connection);
        let (state, nodes, slots) = answers.await.map_err(LinkError::Redis)?;
        let report = Self::read(&info, &Info::parse(&state), &nodes, &slots, asked);
        report.ok_or_else(|| {
            LinkError::Unfit("describes its cluster in a way that makes no sense".to_owned())
        })
    }

    fn read(
        info: &Info<'_>,
        state: &Info<'_>,
        nodes: &str,
        slots: &Value,
        asked: &Address,
    ) -> Option<Self> {
        // <id> <address> <flags> <primary> <ping> <pong> <config-epoch> <link> <slots>...
        let is_own = |line: &&str| {
            let flags = line.split(' ').nth(2).unwrap_or_default();
            flags.split(',').any(|flag| flag == "myself")
        };
        let own: Vec<&str> = nodes.lines().find(is_own)?.split(' ').collect();
        let id = (*own.first()?).to_owned();
        let mut report = Self {
            run_id: info.run_id().to_owned(),
            is_primary: info.is_primary(),
            is_ok: state.field("cluster_state") == "ok",
            config_epoch: own.get(6)?.parse().ok()?,
            open: own.iter().skip(8).filter_map(|slot| open(slot)).collect(),
            owners: Vec::new(),
            addresses: BTreeMap::from([(id.clone(), asked.clone())]),
            id,
        };
        let Value::Array(ranges) = slots else {
            return None;
        };
        for range in ranges {
            let Value::Array(range) = range else {
                return None;
            };
            let [Value::Int(first), Value::Int(last), nodes @ ..] = range.as_slice() else {
                return None;
            };
            let nodes: Vec<_> = nodes
                .iter()
                .map(|node| read_node(node, asked))
                .collect::<Option<_>>()?;
            let slot = |number: i64| u16::try_from(number).ok().filter(|slot| *slot < SLOTS);
            report.owners.push(Range {
                first: slot(*first)?,
                last: slot(*last)?,
                owner: nodes.first()?.0.clone(),
            });
            // Not where it was reached: a name in the URL may lead to another node the next time.
            report.addresses.extend(nodes);
        }
        Some(report)
    }

    /// The nodes that own slots.
    pub(super) fn primaries(&self) -> BTreeSet<&str> {
        let owners = self.owners.iter();
        owners.map(|range| range.owner.as_str()).collect()
    }

    pub(super) fn owner_of(&self, slot: u16) -> Option<&str> {
        let mut owners = self.owners.iter();
        let range = owners.find(|range| (range.first..=range.last).contains(&slot))?;
        Some(&range.owner)
    }

    /// Its slots whose keys stay where they are.
    pub(super) fn settled_slots(&self) -> impl Iterator<Item = u16> {
        let own = self.owners.iter().filter(|range| range.owner == self.id);
        let slots = own.flat_map(|range| range.first..=range.last);
        slots.filter(|slot| !self.open.contains(slot))
    }
}

/// `[93->-ID]` and `[93-<-ID]` are a slot that is on its way.
fn open(slot: &str) -> Option<u16> {
    let (number, _) = slot.strip_prefix('[')?.split_once('-')?;
    number.parse().ok()
}

fn read_node(node: &Value, asked: &Address) -> Option<(String, Address)> {
    let Value::Array(node) = node else {
        return None;
    };
    let [host, Value::Int(port), Value::BulkString(id), ..] = node.as_slice() else {
        return None;
    };
    let host = match host {
        // It does not know: where it was reached.
        Value::Nil => "",
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        _ => return None,
    };
    let host = if matches!(host, "" | "?") {
        &asked.host
    } else {
        host
    };
    let address = Address {
        host: host.to_owned(),
        port: u16::try_from(*port).ok()?,
    };
    Some((String::from_utf8(id.clone()).ok()?, address))
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::redis::cluster) fn address(port: u16) -> Address {
        Address {
            host: "asked".to_owned(),
            port,
        }
    }

    fn node(host: Value, port: i64, id: &str) -> Value {
        Value::Array(vec![
            host,
            Value::Int(port),
            Value::BulkString(id.as_bytes().to_vec()),
            Value::Array(vec![]),
        ])
    }

    fn read(nodes: &str, slots: &Value) -> Option<Report> {
        let info = Info::parse("run_id:r\r\nrole:master\r\nredis_mode:cluster");
        let state = Info::parse("cluster_state:ok\r\n");
        Report::read(&info, &state, nodes, slots, &address(1))
    }

    #[test]
    fn a_node_is_understood() {
        let nodes = "b 127.0.0.1:2@12 slave a 0 5 7 connected\n\
                     a 127.0.0.1:1@11,host myself,master - 0 5 9 connected 0-99 200 [7->-c] [300-<-c]\n\
                     c 127.0.0.1:3@13 master - 0 5 3 connected 300";
        let host = || Value::BulkString(b"10.0.0.1".to_vec());
        let range = |first, last, nodes: Vec<Value>| {
            Value::Array([vec![Value::Int(first), Value::Int(last)], nodes].concat())
        };
        let slots = Value::Array(vec![
            range(0, 99, vec![node(Value::Nil, 1, "a"), node(host(), 2, "b")]),
            range(200, 200, vec![node(Value::Nil, 1, "a")]),
            range(
                300,
                300,
                vec![node(Value::BulkString(b"?".to_vec()), 3, "c")],
            ),
        ]);
        let report = read(nodes, &slots).unwrap();
        assert_eq!((report.id.as_str(), report.config_epoch), ("a", 9));
        assert!(report.is_ok && report.is_primary);
        assert_eq!(report.open, BTreeSet::from([7, 300]));
        assert_eq!(report.primaries(), BTreeSet::from(["a", "c"]));
        assert_eq!(report.owner_of(99), Some("a"));
        assert_eq!(report.owner_of(100), None);
        assert_eq!(report.owner_of(300), Some("c"));
        assert_eq!(report.settled_slots().count(), 100);
        assert!(report.settled_slots().all(|slot| slot != 7));
        assert_eq!(report.addresses["a"], address(1));
        assert_eq!(report.addresses["b"].to_string(), "10.0.0.1:2");
        assert_eq!(report.addresses["c"], address(3));
    }

    #[test]
    fn nonsense_is_no_report() {
        assert!(read("", &Value::Array(vec![])).is_none());
        let nodes = "a 127.0.0.1:1@11 myself,master - 0 5 9 connected 0-99";
        assert!(read(nodes, &Value::Array(vec![])).is_some());
        assert!(read(nodes, &Value::Nil).is_none());
        assert!(read(nodes, &Value::Array(vec![Value::Int(1)])).is_none());
        for beyond in [16_384, 70_000, -1] {
            let range = Value::Array(vec![
                Value::Int(0),
                Value::Int(beyond),
                node(Value::Nil, 1, "a"),
            ]);
            assert!(read(nodes, &Value::Array(vec![range])).is_none());
        }
    }

    #[test]
    fn a_node_is_where_it_says_and_not_where_it_was_asked() {
        let nodes = "a 127.0.0.1:1@11 myself,master - 0 5 9 connected 0-99";
        let host = Value::BulkString(b"10.0.0.1".to_vec());
        let range = Value::Array(vec![Value::Int(0), Value::Int(99), node(host, 1, "a")]);
        let report = read(nodes, &Value::Array(vec![range])).unwrap();
        assert_eq!(report.addresses["a"].to_string(), "10.0.0.1:1");
    }
}
