//! What a scan lists.

use bytes::Bytes;

use crate::{ContentType, Delimiter, Error, Key, Limits, Prefix, Result, Timestamp, Version};

/// Which keys a scan returns, and how many on one page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScanOptions {
    /// Only keys that begin with this. Default: all.
    pub prefix: Prefix,
    /// Only keys after this one. Default: from the beginning. A folder is listed if it has a key after this one.
    pub start_after: Option<Key>,
    /// Folds the keys in which this follows the prefix into folders: see [`Delimiter::folder`]. Each folder is one
    /// [common prefix](crate::Page::common_prefixes), however many keys it has. Default: every key on its own.
    pub delimiter: Option<Delimiter>,
    /// At most this many entries and common prefixes: 1 to [`Limits::max_page_entries`]. Default 100.
    pub limit: usize,
    /// The page ends once its keys, common prefixes and values have this many bytes; one of them may be more.
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
            delimiter: None,
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

    /// Folds keys into folders.
    #[must_use]
    pub fn with_delimiter(mut self, delimiter: Option<Delimiter>) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// At most this many entries and common prefixes.
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

    /// The keys that the scan goes through.
    pub fn range(&self) -> KeyRange {
        KeyRange::new(&self.prefix, self.start_after.as_ref())
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

/// Keys that follow each other: `from <= key < before`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key may be this, which need not be a key itself.
    pub from: String,
    /// All keys are before this; `None`: there is no end.
    pub before: Option<String>,
}

impl KeyRange {
    /// The keys that begin with `prefix` and come after `start_after`.
    pub fn new(prefix: &Prefix, start_after: Option<&Key>) -> Self {
        let all = Self {
            from: prefix.as_str().to_owned(),
            before: prefix.upper_bound(),
        };
        match start_after {
            Some(key) => all.after(key),
            None => all,
        }
    }

    /// Those that come after `key`.
    #[must_use]
    pub fn after(self, key: &Key) -> Self {
        // The next text but for NUL, which no key has in it.
        let from = format!("{key}\u{1}").max(self.from);
        Self { from, ..self }
    }

    /// Whether no key can be in it.
    pub fn is_empty(&self) -> bool {
        self.before
            .as_ref()
            .is_some_and(|before| *before <= self.from)
    }
}

/// One entry of a [`Page`](crate::Page).
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
