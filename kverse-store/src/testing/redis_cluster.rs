#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test without its servers fails"
)]

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::process::{free_port, wait_until};
use super::redis::RedisServer;

/// A Redis Cluster of three primaries with a replica each, on loopback ports. All end when this is dropped. Its methods
/// block, and panic if the servers do not do what they ask.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// The primaries at the start; as many replicas follow, in the same order.
    pub const PRIMARIES: usize = 3;
    /// After so long without an answer a node is taken for dead.
    pub const NODE_TIMEOUT: Duration = Duration::from_secs(2);
    const SLOTS: usize = 16384;
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A cluster that answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same, whose nodes have these command-line options.
    pub fn start_with(options: &[&str]) -> Self {
        let timeout = Self::NODE_TIMEOUT.as_millis().to_string();
        let node = |_| {
            let bus = free_port().to_string();
            let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus];
            let quick = [
                "--cluster-node-timeout",
                &timeout,
                "--repl-diskless-sync-delay",
                "0",
            ];
            RedisServer::start_with(&[&cluster[..], &quick, options].concat())
        };
        let cluster = Self {
            nodes: (0..2 * Self::PRIMARIES).map(node).collect(),
        };
        cluster.join();
        cluster
    }

    fn join(&self) {
        for (number, node) in (1..).zip(&self.nodes) {
            let number: usize = number;
            assert_eq!(
                node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &number.to_string()]),
                "+OK"
            );
        }
        for (number, primary) in self.nodes[..Self::PRIMARIES].iter().enumerate() {
            let first = number * Self::SLOTS / Self::PRIMARIES;
            let end = (number + 1) * Self::SLOTS / Self::PRIMARIES;
            let slots: Vec<String> = (first..end).map(|slot| slot.to_string()).collect();
            let mut command = vec!["CLUSTER", "ADDSLOTS"];
            command.extend(slots.iter().map(String::as_str));
            assert_eq!(primary.command(&command), "+OK");
        }
        for node in &self.nodes[1..] {
            let (port, bus) = (
                node.address().port().to_string(),
                node.option("--cluster-port"),
            );
            let meet = [
                "CLUSTER",
                "MEET",
                "127.0.0.1",
                &port,
                bus.expect("it has one"),
            ];
            assert_eq!(self.nodes[0].command(&meet), "+OK");
        }
        let all = format!("cluster_known_nodes:{}\r", self.nodes.len());
        let know = |node: &RedisServer| node.command(&["CLUSTER", "INFO"]).contains(&all);
        wait_until("the nodes know each other", Self::PATIENCE, || {
            self.nodes.iter().all(know)
        });
        for (primary, replica) in self.nodes.iter().zip(&self.nodes[Self::PRIMARIES..]) {
            let replicate = ["CLUSTER", "REPLICATE", &id(primary)];
            // Which nodes there are is known before all that they are.
            wait_until("it becomes a replica", Self::PATIENCE, || {
                replica.command(&replicate) == "+OK"
            });
        }
        self.wait_until_well();
    }

    /// The nodes: first those that were the primaries at the start, then their replicas.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// A node, to kill it or start it again.
    pub fn node(&mut self, index: usize) -> &mut RedisServer {
        &mut self.nodes[index]
    }

    /// The URL of the cluster, which names three of its nodes.
    pub fn url(&self) -> String {
        let nodes = self.nodes[..Self::PRIMARIES].iter();
        let nodes: Vec<_> = nodes.map(|node| node.address().to_string()).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// Waits until every node that runs takes the cluster for complete, and every replica is in step with its primary.
    pub fn wait_until_well(&self) {
        let is_well = |node: &RedisServer| {
            let replication = node.command(&["INFO", "replication"]);
            let in_step = replication.contains("role:master")
                || replication.contains("master_link_status:up");
            in_step
                && node
                    .command(&["CLUSTER", "INFO"])
                    .contains("cluster_state:ok")
        };
        wait_until("the cluster is well", Self::PATIENCE, || {
            self.running().all(is_well)
        });
    }

    fn running(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_running())
    }

    /// Whether a node is a primary.
    pub fn is_primary(&self, index: usize) -> bool {
        let replication = self.nodes[index].command(&["INFO", "replication"]);
        replication.contains("role:master")
    }

    /// The node that owns a slot, as far as the nodes that run agree on one.
    pub fn owner(&self, slot: u16) -> usize {
        let mut owner = None;
        wait_until("a slot has one owner", Self::PATIENCE, || {
            owner = self.agreed_owner(slot);
            owner.is_some()
        });
        owner.expect("it was waited for")
    }

    fn agreed_owner(&self, slot: u16) -> Option<usize> {
        let mut owners = self.running().map(|node| owner_seen_by(node, slot));
        let first = owners.next()??;
        let agreed = owners.all(|other| other.as_ref() == Some(&first));
        let is_owner = |node: &RedisServer| node.is_running() && id(node) == first;
        self.nodes.iter().position(is_owner).filter(|_| agreed)
    }

    /// Has the replica of a primary take its place; both go on. Within twice [`Self::NODE_TIMEOUT`] of the last time the
    /// others do not vote for it.
    pub fn fail_over_to(&self, replica: usize) {
        // An election that was lost is held again after 8 s.
        const AGAIN: Duration = Duration::from_secs(9);
        let mut asked: Option<Instant> = None;
        wait_until("the replica is promoted", Self::PATIENCE, || {
            if asked.is_none_or(|asked| asked.elapsed() > AGAIN) {
                // An error if it is promoted already.
                self.nodes[replica].command(&["CLUSTER", "FAILOVER"]);
                asked = Some(Instant::now());
            }
            self.is_primary(replica)
        });
    }

    /// Cuts a replica, which then stands still, off its primary: it misses what is written from here on.
    pub fn cut_off(&self, primary: usize, replica: usize) {
        self.nodes[replica].pause();
        let cut = ["CLIENT", "KILL", "TYPE", "replica"];
        assert_eq!(self.nodes[primary].command(&cut), ":1");
    }

    /// Has a replica that was cut off take the place of its primary, which goes on, without what it missed.
    pub fn take_over(&self, replica: usize) {
        let node = &self.nodes[replica];
        thread::scope(|scope| {
            let takeover = scope.spawn(|| node.command(&["CLUSTER", "FAILOVER", "TAKEOVER"]));
            // It is to find the command when it goes on, before it can ask for what it missed.
            thread::park_timeout(Duration::from_millis(100));
            node.resume();
            assert_eq!(takeover.join().expect("it answers"), "+OK");
        });
    }

    /// Begins to move a slot: its keys are still where they were, one by one they may be elsewhere.
    pub fn open_slot(&self, slot: u16, from: usize, to: usize) {
        let (from, to, slot) = (&self.nodes[from], &self.nodes[to], slot.to_string());
        let importing = ["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)];
        assert_eq!(to.command(&importing), "+OK");
        let migrating = ["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)];
        assert_eq!(from.command(&migrating), "+OK");
    }

    /// Moves the keys of a slot that was opened; how many they were.
    pub fn move_keys(&self, slot: u16, from: usize, to: usize) -> usize {
        const BATCH: &str = "100";
        let (from, to, slot) = (&self.nodes[from], &self.nodes[to], slot.to_string());
        let port = to.address().port().to_string();
        let mut moved = 0;
        loop {
            let keys = cli(from, &["CLUSTER", "GETKEYSINSLOT", &slot, BATCH]);
            let keys: Vec<&str> = keys.lines().filter(|key| !key.is_empty()).collect();
            if keys.is_empty() {
                return moved;
            }
            let migrate = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let answer = from.command(&[&migrate[..], &keys].concat());
            assert!(matches!(&*answer, "+OK" | "+NOKEY"), "{answer}");
            moved += keys.len();
        }
    }

    /// Ends moving a slot: it belongs to another node now.
    pub fn give_slot(&self, slot: u16, to: usize) {
        let (id, slot) = (id(&self.nodes[to]), slot.to_string());
        let node = ["CLUSTER", "SETSLOT", &slot, "NODE", &id];
        assert_eq!(self.nodes[to].command(&node), "+OK");
        for (index, other) in self.nodes.iter().enumerate() {
            if index != to && other.is_running() && self.is_primary(index) {
                assert_eq!(other.command(&node), "+OK");
            }
        }
    }

    /// Moves a slot with its keys from one primary to another.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize) {
        self.open_slot(slot, from, to);
        self.move_keys(slot, from, to);
        self.give_slot(slot, to);
    }
}

/// The name of a node in its cluster.
fn id(node: &RedisServer) -> String {
    node.command(&["CLUSTER", "MYID"])
}

/// The id of the owner of a slot.
fn owner_seen_by(node: &RedisServer, slot: u16) -> Option<String> {
    let nodes = node.command(&["CLUSTER", "NODES"]);
    let owns = |line: &&str| {
        line.split(' ').skip(8).any(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse()) else {
                return false;
            };
            (first..=last).contains(&slot)
        })
    };
    let line = nodes.lines().find(owns)?;
    line.split(' ').next().map(str::to_owned)
}

/// The answer to a command that is a list.
fn cli(node: &RedisServer, words: &[&str]) -> String {
    let port = node.address().port().to_string();
    let output = Command::new("redis-cli")
        .args(["-p", &port])
        .args(words)
        .output();
    let output = output.unwrap_or_else(|error| {
        panic!(
            "this test needs redis-cli ({error}): run `make setup`, or apt-get install redis-tools"
        )
    });
    assert!(output.status.success(), "redis-cli {words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
