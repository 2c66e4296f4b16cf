//! The commands, a file each.

mod completions;
mod delete;
mod get;
mod health;
mod list;
mod put;
mod stats;

use std::sync::Arc;

use kverse_core::KvStore;
use kverse_store::{StoreConfig, StoreUrl};

use crate::args::{Args, Command};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Does what the arguments ask for.
pub(crate) async fn run(args: Args, output: &mut Output) -> Result<Exit, Failure> {
    if let Command::Completions { shell } = args.command {
        return completions::run(shell, output);
    }
    let url: StoreUrl = args.store.parse()?;
    let store = open(&url, args.redis_url)
        .await
        .map_err(|failure| failure.of_store(&url))?;
    let result = on_store(store.as_ref(), args.command, output).await;
    store.close().await;
    result.map_err(|failure| failure.of_store(&url))
}

async fn on_store(
    store: &dyn KvStore,
    command: Command,
    output: &mut Output,
) -> Result<Exit, Failure> {
    match command {
        Command::Put(args) => put::run(store, args, output).await,
        Command::Get(args) => get::run(store, args, output).await,
        Command::Delete(args) => delete::run(store, args, output).await,
        Command::List(args) => list::run(store, args, output).await,
        Command::Stats => stats::run(store, output).await,
        Command::Health => health::run(store, output).await,
        Command::Completions { shell } => completions::run(shell, output),
    }
}

async fn open(url: &StoreUrl, redis_url: Option<String>) -> Result<Arc<dyn KvStore>, Failure> {
    // One command reads nothing twice.
    let mut config = StoreConfig::new(url.clone())
        .with_cache_bytes(0)
        .with_guest(true);
    // The variable may be meant for servers: other stores have no use for it.
    if let (StoreUrl::Postgres(_), Some(redis_url)) = (url, redis_url) {
        config = config.with_redis_url(Some(redis_url.parse()?));
    }
    Ok(kverse_store::open(&config).await?)
}
