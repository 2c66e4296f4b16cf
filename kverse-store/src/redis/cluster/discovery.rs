//! Asking nodes which cluster they are.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kverse_core::cached::CacheError;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::connect::{refused, unreachable_now};
use super::super::link::LinkError;
use super::report::{Address, Report};
use super::shape::Shape;
use crate::redis::RedisOptions;

/// How to reach nodes.
#[derive(Clone)]
pub(super) struct Access {
    /// With user, password and TLS as they are for each node.
    pub(super) template: ConnectionInfo,
    pub(super) command_timeout: Duration,
    pub(super) connect_timeout: Duration,
}

/// Why nobody knows the cluster.
#[derive(Debug)]
pub(super) struct Unknown {
    why: String,
    refusals: Vec<(Address, LinkError)>,
}

/// No more nodes are asked: a cluster has hardly more than a thousand, and any primary knows all.
const MAX_NODES: usize = 1000;

/// Asks these nodes, and those that they name, until all that matter agree. `reports` are answers that are there already.
pub(super) async fn discover(
    access: &Access,
    nodes: impl IntoIterator<Item = Address>,
    mut reports: BTreeMap<String, Report>,
) -> Result<Shape, Unknown> {
    let mut asked: BTreeSet<Address> = BTreeSet::new();
    let mut asking = JoinSet::new();
    let mut ask = |asking: &mut JoinSet<_>, node: Address| {
        if asked.len() < MAX_NODES && asked.insert(node.clone()) {
            let access = access.clone();
            asking.spawn(async move { (node.clone(), access.report(&node).await) });
        }
    };
    for node in nodes {
        ask(&mut asking, node);
    }
    let mut refusals = Vec::new();
    while let Some(answer) = asking.join_next().await {
        match answer {
            Ok((_, Ok(report))) => {
                for node in report.addresses.values() {
                    ask(&mut asking, node.clone());
                }
                reports.insert(report.id.clone(), report);
                if let Ok(shape) = Shape::agreed(&reports) {
                    return Ok(shape);
                }
            }
            Ok((node, Err(error))) => refusals.push((node, error)),
            Err(ended) => tracing::debug!(%ended, "a node of the cluster was not asked"),
        }
    }
    match Shape::agreed(&reports) {
        Ok(shape) => Ok(shape),
        Err(why) => Err(Unknown { why, refusals }),
    }
}

impl Access {
    pub(super) fn new(template: ConnectionInfo, options: &RedisOptions) -> Self {
        Self {
            template,
            command_timeout: options.command_timeout,
            connect_timeout: options.connect_timeout,
        }
    }

    /// How to connect to a node.
    pub(super) fn to(&self, node: &Address) -> ConnectionInfo {
        let (host, port) = (node.host.clone(), node.port);
        let address = match self.template.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.template.clone().set_addr(address)
    }

    /// What a node says, by a connection for this only.
    async fn report(&self, node: &Address) -> Result<Report, LinkError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.command_timeout));
        let asked = async {
            let client = Client::open(self.to(node)).map_err(LinkError::Redis)?;
            let connection = client.get_multiplexed_async_connection_with_config(&config);
            let mut connection = connection.await.map_err(LinkError::Redis)?;
            Report::ask(&mut connection, node).await
        };
        let limit = self.connect_timeout + 2 * self.command_timeout;
        match timeout(limit, asked).await {
            Ok(result) => result,
            Err(elapsed) => Err(LinkError::NoConnection(elapsed.to_string())),
        }
    }
}

impl Unknown {
    /// The refusal that says most: what will not go away by itself, else any.
    fn refusal(&self) -> Option<&(Address, LinkError)> {
        let lasts = |(_, error): &&(Address, LinkError)| match error {
            LinkError::Redis(error) => !unreachable_now(error),
            LinkError::Unfit(_) => true,
            LinkError::NoConnection(_) | LinkError::Replaced => false,
        };
        let mut refusals = self.refusals.iter();
        refusals.find(lasts).or_else(|| self.refusals.first())
    }

    pub(super) fn to_cache_error(&self) -> CacheError {
        match self.refusal() {
            Some((node, LinkError::Unfit(why))) => {
                CacheError::Unfit(format!("has a node {node} that {why}"))
            }
            Some((node, error)) => {
                CacheError::Unreachable(format!("{}; {node}: {}", self.why, error.to_cache_error()))
            }
            None => CacheError::Unreachable(self.why.clone()),
        }
    }

    /// What to say at the start of a server.
    pub(super) fn to_error(&self, cluster: &str) -> kverse_core::Error {
        match self.refusal() {
            Some((node, error)) => refused(&node.to_string(), error),
            None => super::super::connect::failed(cluster, &self.why),
        }
    }
}
