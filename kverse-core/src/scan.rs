//! Pages of keys in byte order.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::{ContentType, Error, Key, Limits, Prefix, Result, Timestamp, Version};

/// Which keys a scan returns, and how many on one page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanOptions {
    /// Only keys that begin with this. Default: all.
    pub prefix: Prefix,
    /// Only keys after this one. Default: from the beginning.
    pub start_after: Option<Key>,
    /// At most this many entries: 1 to [`Limits::max_page_entries`]. Default 100.
    pub limit: usize,
    /// The page ends once its keys and values have this many bytes; it always has at least one entry if there is one.
    /// At most, and by default, [`Limits::max_page_bytes`].
    pub max_bytes: usize,
    /// Whether the values come along. Default: keys only.
    pub include_values: bool,
}

impl ScanOptions {
    /// The default of [`limit`](Self::limit).
    pub const DEFAULT_LIMIT: usize = 100;

    /// The keys that begin with `prefix`, from the beginning, without values.
    pub fn new(prefix: Prefix) -> Self {
        Self {
            prefix,
            start_after: None,
            limit: Self::DEFAULT_LIMIT,
            max_bytes: Limits::default().max_page_bytes,
            include_values: false,
        }
    }

    /// Only keys after this one.
    #[must_use]
    pub fn with_start_after(mut self, key: Option<Key>) -> Self {
        self.start_after = key;
        self
    }

    /// At most this many entries.
    #[must_use]
    pub fn with_limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The page ends once it has this many bytes.
    #[must_use]
    pub fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The values come along.
    #[must_use]
    pub fn with_values(mut self, include_values: bool) -> Self {
        self.include_values = include_values;
        self
    }

    /// Checks the page size against the limits.
    ///
    /// # Errors
    /// `InvalidInput` for a limit of zero, `TooLarge` for more than the limits allow.
    pub fn check(&self, limits: &Limits) -> Result<()> {
        if self.limit == 0 || self.max_bytes == 0 {
            return Err(Error::invalid_input("the limit of a page is at least 1"));
        }
        if self.limit > limits.max_page_entries {
            return Err(Error::too_large(
                "page",
                "entries",
                limits.max_page_entries,
                self.limit,
            ));
        }
        if self.max_bytes > limits.max_page_bytes {
            return Err(Error::too_large(
                "page",
                "bytes",
                limits.max_page_bytes,
                self.max_bytes,
            ));
        }
        Ok(())
    }
}

/// One entry of a [`Page`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanEntry {
    /// The key.
    pub key: Key,
    /// The version of the key.
    pub version: Version,
    /// The size of the value in bytes.
    pub size: u64,
    /// The media type of the value.
    pub content_type: Option<ContentType>,
    /// When the entry ends.
    pub expires_at: Option<Timestamp>,
    /// The value, if it was asked for.
    pub value: Option<Bytes>,
}

impl ScanEntry {
    /// An entry of a page, without content type, expiry and value.
    pub fn new(key: Key, version: Version, size: u64) -> Self {
        Self {
            key,
            version,
            size,
            content_type: None,
            expires_at: None,
            value: None,
        }
    }

    /// The bytes that the entry counts towards [`ScanOptions::max_bytes`].
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// A part of a scan, in byte order of the keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// The entries. May be empty although more follow.
    pub entries: Vec<ScanEntry>,
    /// Where the next page starts: give it as [`ScanOptions::start_after`]. `None` on the last page.
    pub next: Option<Key>,
}

impl Page {
    /// A page that ends before `next`, or is the last one.
    pub fn new(entries: Vec<ScanEntry>, next: Option<Key>) -> Self {
        Self { entries, next }
    }

    /// Collects a page from entries in order: ends it where the options say, and then reads no further.
    ///
    /// # Errors
    /// The first error of the entries.
    pub fn collect<E>(
        options: &ScanOptions,
        entries: impl IntoIterator<Item = Result<ScanEntry, E>>,
    ) -> Result<Self, E> {
        let mut page = Self::default();
        let mut bytes = 0;
        for entry in entries {
            if page.entries.len() == options.limit || bytes >= options.max_bytes {
                page.next = page.entries.last().map(|last| last.key.clone());
                break;
            }
            let entry = entry?;
            bytes += entry.bytes();
            page.entries.push(entry);
        }
        Ok(page)
    }
}

/// Where a scan goes on, as opaque text that only fits the prefix that it was made for.
///
/// ```
/// use kverse_core::{Cursor, Prefix};
///
/// let users = Prefix::new("user/")?;
/// let text = Cursor::new(&users, "user/42".parse()?).to_string();
/// let cursor: Cursor = text.parse()?;
/// assert_eq!(cursor.start_after(&users)?.as_str(), "user/42");
/// assert!(cursor.start_after(&Prefix::new("group/")?).is_err());
/// # Ok::<(), kverse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    query: [u8; Self::QUERY_BYTES],
    key: Key,
}

impl Cursor {
    const QUERY_BYTES: usize = 8;

    /// The cursor of a scan of `prefix` that goes on after `key`.
    pub fn new(prefix: &Prefix, key: Key) -> Self {
        Self {
            query: Self::query(prefix),
            key,
        }
    }

    fn query(prefix: &Prefix) -> [u8; Self::QUERY_BYTES] {
        let digest = Sha256::digest(prefix.as_str());
        let mut query = [0; Self::QUERY_BYTES];
        query.copy_from_slice(&digest[..Self::QUERY_BYTES]);
        query
    }

    /// The key after which the scan of `prefix` goes on.
    ///
    /// # Errors
    /// `InvalidInput` if the cursor was made for another prefix.
    pub fn start_after(&self, prefix: &Prefix) -> Result<Key> {
        if self.query != Self::query(prefix) {
            return Err(Error::invalid_input(
                "the cursor belongs to another query: it was given for another prefix",
            ));
        }
        Ok(self.key.clone())
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.query.to_vec();
        bytes.extend_from_slice(self.key.as_str().as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::invalid_input(
                "the cursor is malformed: pass on the one of the page before unchanged",
            )
        };
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| malformed().with_source(error))?;
        let (query, key) = bytes.split_first_chunk().ok_or_else(malformed)?;
        let key = std::str::from_utf8(key).map_err(|error| malformed().with_source(error))?;
        Ok(Self {
            query: *query,
            key: key
                .parse()
                .map_err(|error| malformed().with_source(error))?,
        })
    }
}
