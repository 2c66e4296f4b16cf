mod interrupts;
mod keys;
mod load;
mod progress;
mod record;
mod report;

use std::sync::Arc;

use kverse_core::{Error, KvStore, KvStoreExt, ScanOptions};

use self::interrupts::Interrupts;
use self::keys::Keys;
use self::load::{Load, Operation, Request};
use self::progress::Progress;
use self::record::Recorder;
use self::report::Report;
use crate::args::BenchArgs;
use crate::exit::{Exit, Failure};
use crate::output::{Output, complain};

pub(crate) async fn run(
    store: &Arc<dyn KvStore>,
    args: BenchArgs,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let limits = store.capabilities().limits;
    if args.value_bytes > limits.max_value_bytes {
        let (limit, actual) = (limits.max_value_bytes, args.value_bytes);
        return Err(Error::too_large("value", "bytes", limit, actual).into());
    }
    let keys = Arc::new(Keys::new(&args, limits)?);
    if !args.force {
        check_empty(store, &args).await?;
    }
    let interrupts = Interrupts::listen()?;
    let measured = measure(store, &args, &keys, &interrupts).await;
    let removed = tokio::select! {
        removed = keys.remove(store.as_ref()) => removed,
        () = interrupts.received(2) => Err(Failure::Failed(Exit::Error, "interrupted".to_owned())),
    };
    let report = measured?;
    for (kind, message) in report.messages() {
        complain(&format!("{kind}: {message}"));
    }
    if output.is_json() {
        output.json(&report)?;
    } else {
        for line in report.lines() {
            output.line(&line)?;
        }
    }
    removed.map(|()| Exit::Done).map_err(|failure| {
        failure.with_context(&format!(
            "keys of the benchmark are left, which begin with {:?}",
            args.prefix.as_str()
        ))
    })
}

async fn check_empty(store: &Arc<dyn KvStore>, args: &BenchArgs) -> Result<(), Failure> {
    let options = ScanOptions::new(args.prefix.clone()).with_limit(1);
    let Some(entry) = store.scan(options).await?.entries.pop() else {
        return Ok(());
    };
    let message = format!(
        "there are keys that begin with {:?}, such as {:?}: give another --prefix, or --force",
        args.prefix.as_str(),
        entry.key
    );
    Err(Failure::Failed(Exit::PreconditionFailed, message))
}

/// Stores the keys and lets the clients loose on them.
async fn measure(
    store: &Arc<dyn KvStore>,
    args: &BenchArgs,
    keys: &Arc<Keys>,
    interrupts: &Interrupts,
) -> Result<Report, Failure> {
    keys.store(store.as_ref(), interrupts).await?;
    let load = Load::new(args);
    let recorder = Arc::new(Recorder::new()?);
    let progress = Progress::start(&load, Arc::clone(&recorder));
    let (store, keys) = (Arc::clone(store), Arc::clone(keys));
    let send = move |request: Request| {
        let (store, keys) = (Arc::clone(&store), Arc::clone(&keys));
        async move {
            let key = keys.key(request.key)?;
            match request.operation {
                Operation::Get => store.get(&key).await.map(drop),
                Operation::Put => store.put(&key, keys.value()).await.map(drop),
                Operation::Delete => store.delete(&key).await.map(drop),
            }
        }
    };
    let elapsed = load.run(&recorder, send, interrupts).await;
    drop(progress);
    Ok(Report::new(args, &load, &recorder, elapsed))
}
