//! Pages of keys in byte order.

use crate::{Key, KeyRange, Prefix, Result, ScanEntry, ScanOptions};

/// A part of a scan, in byte order of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The entries. May be empty although more follow.
    pub entries: Vec<ScanEntry>,
    /// The folders: what keys that [`ScanOptions::delimiter`] folds have in common. Each of them is listed once in all
    /// pages.
    pub common_prefixes: Vec<Prefix>,
    /// Where the next page starts: give it as [`ScanOptions::start_after`]. `None` on the last page.
    pub next: Option<Key>,
}

impl Page {
    /// A page that ends before `next`, or is the last one.
    pub fn new(entries: Vec<ScanEntry>, common_prefixes: Vec<Prefix>, next: Option<Key>) -> Self {
        Self {
            entries,
            common_prefixes,
            next,
        }
    }

    /// How many entries and common prefixes it has.
    pub fn len(&self) -> usize {
        self.entries.len() + self.common_prefixes.len()
    }

    /// Whether it has no entries and no common prefixes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A row that a scan comes by, for those who write a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannedRow {
    /// An entry.
    Entry(ScanEntry),
    /// A tombstone, or an entry that has expired.
    Gone(Key),
}

/// Makes a page out of the rows of a store, for those who write one: it says which rows to read, and skips a folder by
/// going on after it.
///
/// ```
/// # use kverse_core::{Delimiter, Key, PageBuilder, Result, ScanEntry, ScanOptions, ScannedRow, Version};
/// # let keys: Vec<Key> = ["a", "b/1", "b/2", "c"].map(|key| key.parse().unwrap()).into();
/// let options = ScanOptions::new("".parse()?).with_delimiter(Some("/".parse()?));
/// let mut page = PageBuilder::new(&options);
/// while let Some(range) = page.rest() {
///     let rows = keys.iter().filter(|key| key.as_str() >= range.from.as_str());
///     let row = |key: &Key| ScannedRow::Entry(ScanEntry::new(key.clone(), Version::new(1), 0));
///     page.fill(rows.map(|key| Ok::<_, kverse_core::Error>(row(key))), usize::MAX)?;
/// }
/// let page = page.finish();
/// assert_eq!((page.entries.len(), page.common_prefixes.len()), (2, 1));
/// # Ok::<(), kverse_core::Error>(())
/// ```
#[derive(Debug)]
pub struct PageBuilder<'a> {
    options: &'a ScanOptions,
    page: Page,
    bytes: usize,
    /// Where the page goes on after its last entry or folder.
    last: Option<Key>,
    /// So many rows may still be read.
    rows: usize,
    rest: Option<KeyRange>,
}

impl<'a> PageBuilder<'a> {
    /// A page ends after so many rows, so that it takes a bounded time where many keys were deleted: then it may be empty
    /// without being the last.
    pub const MAX_ROWS: usize = 10_000;

    /// An empty page.
    pub fn new(options: &'a ScanOptions) -> Self {
        Self {
            options,
            page: Page::default(),
            bytes: 0,
            last: None,
            // Enough for a page without gaps.
            rows: Self::MAX_ROWS.max(options.limit.saturating_add(1)),
            rest: Some(options.range()).filter(|range| !range.is_empty()),
        }
    }

    /// Which keys to read next; `None` if the page is done.
    pub fn rest(&self) -> Option<KeyRange> {
        self.rest.clone()
    }

    /// How many more entries and folders the page takes.
    pub fn free(&self) -> usize {
        self.options.limit.saturating_sub(self.page.len())
    }

    /// How many more bytes the page takes.
    pub fn free_bytes(&self) -> usize {
        self.options.max_bytes.saturating_sub(self.bytes)
    }

    /// Takes rows of [`rest`](Self::rest), in the order of their keys, and no more of them than needed. `limit` is how
    /// many were asked for: fewer mean that there are no more.
    ///
    /// # Errors
    /// The first error of the rows.
    pub fn fill<E>(
        &mut self,
        rows: impl IntoIterator<Item = Result<ScannedRow, E>>,
        limit: usize,
    ) -> Result<(), E> {
        let Some(range) = self.rest.take() else {
            return Ok(());
        };
        let (mut count, mut last) = (0, None);
        for row in rows {
            let (key, folder) = match row? {
                ScannedRow::Gone(key) => (key, None),
                ScannedRow::Entry(_) if self.is_full() => {
                    self.page.next = self.last.take();
                    return Ok(());
                }
                ScannedRow::Entry(entry) => self.take(entry),
            };
            count += 1;
            self.rows -= 1;
            if self.rows == 0 {
                self.page.next = Some(key);
                return Ok(());
            }
            if let Some(folder) = folder {
                let after = range.after(&folder.last_key());
                self.rest = Some(after).filter(|range| !range.is_empty());
                return Ok(());
            }
            last = Some(key);
        }
        if let Some(last) = last.filter(|_| count == limit) {
            self.rest = Some(range.after(&last)).filter(|range| !range.is_empty());
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.free() == 0 || self.free_bytes() == 0
    }

    /// Where the page goes on after the entry, and the folder that it was folded into.
    fn take(&mut self, entry: ScanEntry) -> (Key, Option<Prefix>) {
        let delimiter = self.options.delimiter.as_ref();
        let folder =
            delimiter.and_then(|delimiter| delimiter.folder(&self.options.prefix, &entry.key));
        let after = match &folder {
            Some(folder) => {
                self.bytes += folder.as_str().len();
                self.page.common_prefixes.push(folder.clone());
                folder.last_key()
            }
            None => {
                let key = entry.key.clone();
                self.bytes += entry.bytes();
                self.page.entries.push(entry);
                key
            }
        };
        self.last = Some(after.clone());
        (after, folder)
    }

    /// The page.
    pub fn finish(self) -> Page {
        self.page
    }
}
