//! Entries to lines.

use std::vec;

use bytes::Bytes;
use kverse_core::{Error, ErrorKind, KvStore, Prefix, Result, ScanEntry, ScanOptions};

use crate::wire::EntryLine;

/// A chunk ends once it has this many bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// An export under way: all entries of a prefix, in byte order of their keys, as lines of JSON. An entry that exists
/// throughout is in it exactly once; one that is written meanwhile may be there as it was or as it is. Entries that have
/// ended are not.
///
/// Holds a page of the scan at a time ([`Limits::max_page_bytes`](kverse_core::Limits::max_page_bytes) and one value at most),
/// and nothing in the store between two of them.
#[derive(Debug)]
pub struct Export {
    /// `None` after the last page.
    scan: Option<ScanOptions>,
    page: vec::IntoIter<ScanEntry>,
}

/// A part of an export: whole lines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportChunk {
    /// The lines, each with its line break: 64 KiB and one line at most.
    pub lines: Bytes,
    /// How many lines there are.
    pub entries: u64,
}

impl Export {
    /// An export of the keys that begin with `prefix`.
    pub fn new(prefix: Prefix) -> Self {
        Self {
            scan: Some(ScanOptions::new(prefix).with_values(true)),
            page: Vec::new().into_iter(),
        }
    }

    /// The next lines; `None` when there are no more. After an error the same lines may be asked for again.
    ///
    /// # Errors
    /// Those of [`KvStore::scan`].
    pub async fn next(&mut self, store: &dyn KvStore) -> Result<Option<ExportChunk>> {
        // A page may be empty although more follow.
        while self.page.len() == 0 {
            let Some(mut options) = self.scan.clone() else {
                return Ok(None);
            };
            let limits = store.capabilities().limits;
            options.limit = limits.max_page_entries;
            options.max_bytes = limits.max_page_bytes;
            let page = store.scan(options.clone()).await?;
            self.scan = page.next.map(|next| options.with_start_after(Some(next)));
            self.page = page.entries.into_iter();
        }
        let mut lines = Vec::new();
        let mut entries = 0;
        while lines.len() < CHUNK_BYTES
            && let Some(entry) = self.page.next()
        {
            serde_json::to_writer(&mut lines, &EntryLine::from(entry)).map_err(|error| {
                Error::new(ErrorKind::Internal, "cannot write an entry as JSON").with_source(error)
            })?;
            lines.push(b'\n');
            entries += 1;
        }
        Ok(Some(ExportChunk {
            lines: lines.into(),
            entries,
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use kverse_core::{KvStoreExt, Limits, ManualClock, MemoryStore, PutOptions};

    use super::*;

    async fn text(store: &dyn KvStore, prefix: &str) -> String {
        let mut export = Export::new(prefix.parse().unwrap());
        let mut text = String::new();
        while let Some(chunk) = export.next(store).await.unwrap() {
            let lines = std::str::from_utf8(&chunk.lines).unwrap();
            assert_eq!(lines.matches('\n').count() as u64, chunk.entries);
            assert!(lines.ends_with('\n'));
            text.push_str(lines);
        }
        text
    }

    #[tokio::test]
    async fn an_entry_is_a_line() {
        let clock = Arc::new(ManualClock::default());
        let store = MemoryStore::new(Arc::<ManualClock>::clone(&clock), Limits::default());
        store.put(&"a".parse().unwrap(), "é\n\"").await.unwrap();
        let options = PutOptions::default()
            .with_content_type(Some("image/png".parse().unwrap()))
            .with_ttl(Duration::from_secs(1));
        let bytes: &[u8] = b"\xff";
        store
            .put_opts(&"b".parse().unwrap(), bytes, options)
            .await
            .unwrap();
        assert_eq!(
            text(&store, "").await,
            concat!(
                r#"{"key":"a","value":"é\n\"","version":"1767225600000000"}"#,
                "\n",
                r#"{"key":"b","value_base64":"/w==","version":"1767225600000000","#,
                r#""content_type":"image/png","expires_at":"2026-01-01T00:00:01.000000Z"}"#,
                "\n",
            )
        );
        clock.advance(Duration::from_secs(1));
        assert_eq!(text(&store, "b").await, "");
        assert_eq!(text(&store, "c").await, "");
    }

    #[tokio::test]
    async fn every_entry_of_every_page_is_there_once() {
        let store = MemoryStore::default();
        for number in 0..2500 {
            let key = format!("{number:04}").parse().unwrap();
            store.put(&key, vec![b'x'; 200]).await.unwrap();
        }
        let text = text(&store, "").await;
        let keys = text.lines().map(|line| line[8..12].parse::<u32>().unwrap());
        assert!(keys.eq(0..2500));
    }
}
