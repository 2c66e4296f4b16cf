//! The commands, a file each.

mod backup;
mod bench;
mod completions;
mod delete;
mod export;
mod get;
mod health;
mod import;
mod list;
mod man;
mod migrate;
mod put;
mod stats;
mod token;
mod watch;

use std::sync::Arc;

use kverse_core::KvStore;
use kverse_store::tokens::BearerToken;
use kverse_store::{Opened, StoreConfig, StoreUrl, open_with_tokens};

use crate::args::{Args, Command};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Does what the arguments ask for.
pub(crate) async fn run(args: Args, output: &mut Output) -> Result<Exit, Failure> {
    match args.command {
        Command::Completions { shell } => return completions::run(shell, output),
        Command::Man => return man::run(output),
        _ => {}
    }
    let url: StoreUrl = args.store.parse()?;
    let result = match args.command {
        Command::Migrate(migrate) => migrate::run(&url, &migrate, output).await,
        Command::Backup(backup) => backup::run(&url, &backup, output).await,
        _ => with_store(&url, args, output).await,
    };
    result.map_err(|failure| failure.of_store(&url))
}

async fn with_store(url: &StoreUrl, args: Args, output: &mut Output) -> Result<Exit, Failure> {
    let Opened { store, tokens, .. } = open_with_tokens(&config(url, &args)?).await?;
    let result = match args.command {
        Command::Token(args) => token::run(tokens.as_ref(), args, output).await,
        command => on_store(&store, command, output).await,
    };
    store.close().await;
    result
}

async fn on_store(
    store: &Arc<dyn KvStore>,
    command: Command,
    output: &mut Output,
) -> Result<Exit, Failure> {
    match command {
        Command::Put(args) => put::run(store, args, output).await,
        Command::Get(args) => get::run(store, args, output).await,
        Command::Delete(args) => delete::run(store, args, output).await,
        Command::List(args) => list::run(store, args, output).await,
        Command::Watch(args) => watch::run(store, args, output).await,
        Command::Export(args) => export::run(store, args, output).await,
        Command::Import(args) => import::run(store, args, output).await,
        Command::Stats => stats::run(store, output).await,
        Command::Health => health::run(store, output).await,
        Command::Bench(args) => bench::run(store, args, output).await,
        Command::Token(_)
        | Command::Migrate(_)
        | Command::Backup(_)
        | Command::Completions { .. }
        | Command::Man => Err(Failure::usage("this command needs no open store")),
    }
}

/// The token to show to a server. Empty variables are as if they were not there.
fn token(args: &Args) -> Result<Option<BearerToken>, Failure> {
    let file = args.token_file.as_ref();
    let file = file.filter(|path| !path.as_os_str().is_empty());
    let text = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| {
                Failure::usage(format!(
                    "cannot read the token in {}: {error}",
                    path.display()
                ))
            })?;
            Some(text)
        }
        None => args.token.clone().filter(|text| !text.is_empty()),
    };
    let token = text.map(|text| text.trim().parse()).transpose();
    token.map_err(|error: kverse_core::Error| {
        Failure::usage(format!("the access token cannot be used: {error}"))
    })
}

fn config(url: &StoreUrl, args: &Args) -> Result<StoreConfig, Failure> {
    let mut config = StoreConfig::new(url.clone())
        .with_guest(true)
        .with_token(token(args)?)
        .with_request_timeout(args.timeout);
    config = match args.command {
        // With the cache that programs have; a request that failed is an error, not one that took longer.
        Command::Bench(_) => config.with_retries(0),
        // One command reads nothing twice.
        _ => config.with_cache_bytes(0),
    };
    // The variable may be meant for servers: other stores have no use for it.
    let redis_url = args.redis_url.as_ref().filter(|url| !url.is_empty());
    if let (StoreUrl::Postgres(_), Some(redis_url)) = (url, redis_url) {
        config = config.with_redis_url(Some(redis_url.parse()?));
    }
    Ok(config)
}
