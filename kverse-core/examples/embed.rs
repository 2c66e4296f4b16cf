//! A program with a store of its own: `cargo run -p kverse-core --example embed`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use kverse_core::{
    ErrorKind, Key, KvStore, KvStoreExt, MemoryStore, Prefix, PutOptions, Result, ScanOptions,
};

#[tokio::main]
async fn main() -> Result<()> {
    let store: Arc<dyn KvStore> = Arc::new(MemoryStore::default());

    // Stored for an hour.
    let session: Key = "session/42".parse()?;
    let an_hour = PutOptions::default().with_ttl(Duration::from_secs(3600));
    let put = store.put_opts(&session, "ada", an_hour).await?;
    println!("stored version {}", put.version);

    // Replaced only if nobody has replaced it since.
    store
        .compare_and_swap(&session, Some(put.version), "grace")
        .await?;
    match store
        .compare_and_swap(&session, Some(put.version), "too late")
        .await
    {
        Err(error) if error.kind() == ErrorKind::PreconditionFailed => println!("{error}"),
        outcome => println!("unexpected: {outcome:?}"),
    }

    // Incremented, whoever else increments it.
    let visits: Key = "visits".parse()?;
    for _ in 0..3 {
        let increment = |entry: Option<&kverse_core::Entry>| {
            let count =
                entry.and_then(|entry| std::str::from_utf8(&entry.value).ok()?.parse().ok());
            Some((count.unwrap_or(0_u64) + 1).to_string().into())
        };
        store.update(&visits, increment).await?;
    }

    // Listed, page by page behind the scenes.
    let mut entries = store.list_all(ScanOptions::new(Prefix::default()).with_values(true));
    while let Some(entry) = entries.try_next().await? {
        let value = entry.value.unwrap_or_default();
        println!("{} = {}", entry.key, String::from_utf8_lossy(&value));
    }
    Ok(())
}
