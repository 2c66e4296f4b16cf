//! The methods that users of a store call.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};

use crate::{
    CacheStatus, Count, Entry, Error, ErrorKind, Key, KvStore, Precondition, Prefix, PutOptions,
    ReadOutcome, Result, ScanEntry, ScanOptions, Version, Write, WriteOutcome,
};

/// Convenience over [`KvStore`], for every store.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// use kverse_core::{Key, KvStoreExt, MemoryStore};
///
/// let store = MemoryStore::default();
/// let key: Key = "greeting".parse()?;
/// store.put(&key, "hello").await?;
/// assert_eq!(store.get(&key).await?.map(|entry| entry.value), Some("hello".into()));
/// assert!(store.delete(&key).await?);
/// # Ok::<(), kverse_core::Error>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait KvStoreExt: KvStore {
    /// The entry of a key; `None` if it does not exist.
    async fn get(&self, key: &Key) -> Result<Option<Entry>> {
        Ok(self.lookup(key).await?.entry)
    }

    /// The entry of a key, and what the cache had to do with it.
    // Not boxed, as the others are: this is the way of every read.
    fn lookup(&self, key: &Key) -> impl Future<Output = Result<ReadOutcome>> + Send {
        async move {
            let outcome = self.read(std::slice::from_ref(key)).await?.pop();
            Ok(outcome.unwrap_or(ReadOutcome::new(None, CacheStatus::Off)))
        }
    }

    /// Stores a value under a key.
    async fn put(&self, key: &Key, value: impl Into<Bytes> + Send) -> Result<WriteOutcome> {
        self.put_opts(key, value, PutOptions::default()).await
    }

    /// Stores a value under a key, with content type, expiry and precondition.
    ///
    /// # Errors
    /// `PreconditionFailed` with the current version.
    async fn put_opts(
        &self,
        key: &Key,
        value: impl Into<Bytes> + Send,
        options: PutOptions,
    ) -> Result<WriteOutcome> {
        self.write_one(Write::put(key.clone(), value).with_options(options))
            .await
    }

    /// Removes a key; whether it existed.
    async fn delete(&self, key: &Key) -> Result<bool> {
        Ok(self.write_one(Write::delete(key.clone())).await?.existed)
    }

    /// Does one write.
    async fn write_one(&self, write: Write) -> Result<WriteOutcome> {
        let outcome = self.write(vec![write]).await?.pop();
        outcome.unwrap_or_else(|| {
            Err(Error::new(
                ErrorKind::Internal,
                "the store gave no outcome for the write",
            ))
        })
    }

    /// Stores a value only if the key still has the version `expected`; `None`: only if it does not exist.
    ///
    /// # Errors
    /// `PreconditionFailed` with the current version.
    async fn compare_and_swap(
        &self,
        key: &Key,
        expected: Option<Version>,
        value: impl Into<Bytes> + Send,
    ) -> Result<WriteOutcome> {
        let precondition = expected.map_or(Precondition::Absent, Precondition::Version);
        self.put_opts(
            key,
            value,
            PutOptions::default().with_precondition(precondition),
        )
        .await
    }

    /// Replaces the value of a key by what `change` makes of the present entry, which it may be asked for up to 32 times
    /// if others write the key meanwhile. `None` from `change` leaves the key as it is. Content type and expiry stay.
    ///
    /// # Errors
    /// `Conflict` if the key was written by others each time.
    async fn update<F>(&self, key: &Key, mut change: F) -> Result<Option<WriteOutcome>>
    where
        F: FnMut(Option<&Entry>) -> Option<Bytes> + Send,
    {
        const ATTEMPTS: usize = 32;
        for _ in 0..ATTEMPTS {
            let entry = self.get(key).await?;
            let Some(value) = change(entry.as_ref()) else {
                return Ok(None);
            };
            let precondition = entry.as_ref().map_or(Precondition::Absent, |entry| {
                Precondition::Version(entry.version)
            });
            let options = PutOptions::default()
                .with_content_type(entry.and_then(|entry| entry.content_type))
                .with_expiry(crate::Expiry::Keep)
                .with_precondition(precondition);
            match self.put_opts(key, value, options).await {
                Err(error) if error.kind() == ErrorKind::PreconditionFailed => {}
                outcome => return outcome.map(Some),
            }
        }
        let message =
            format!("others wrote the key during each of {ATTEMPTS} attempts to update it");
        Err(Error::new(ErrorKind::Conflict, message))
    }

    /// Removes the keys that begin with `prefix` and come after `start_after`, as many as one batch holds: how many there
    /// were, and where to go on. A key that exists throughout is removed; whether one that is made meanwhile is, depends.
    async fn delete_page(&self, prefix: &Prefix, start_after: Option<Key>) -> Result<Count> {
        let limits = self.capabilities().limits;
        let options = ScanOptions::new(prefix.clone())
            .with_start_after(start_after)
            .with_limit(limits.max_page_entries.min(limits.max_batch_operations))
            .with_max_bytes(limits.max_page_bytes.min(limits.max_batch_bytes));
        let page = self.scan(options).await?;
        let deletes = page
            .entries
            .into_iter()
            .map(|entry| Write::delete(entry.key));
        let mut deleted = 0;
        for outcome in self.write(deletes.collect()).await? {
            deleted += u64::from(outcome?.existed);
        }
        Ok(Count::new(deleted, page.next))
    }

    /// All entries of a scan as a stream, which fetches the pages as it goes. Common prefixes are left out.
    fn list_all(&self, options: ScanOptions) -> BoxStream<'_, Result<ScanEntry>> {
        let pages = stream::try_unfold(Some(options), move |options| async move {
            let Some(options) = options else {
                return Ok::<_, Error>(None);
            };
            let page = self.scan(options.clone()).await?;
            let rest = page.next.map(|next| options.with_start_after(Some(next)));
            Ok(Some((stream::iter(page.entries.into_iter().map(Ok)), rest)))
        });
        futures_util::TryStreamExt::try_flatten(pages).boxed()
    }
}

impl<S: KvStore + ?Sized> KvStoreExt for S {}
