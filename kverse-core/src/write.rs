//! Writes, their conditions and outcomes, and transactions.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{ContentType, Entry, Key, Timestamp, Version};

/// What must hold of a key for an operation on it to be done. Checked together with the operation, atomically.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precondition {
    /// Nothing.
    #[default]
    None,
    /// The key exists: `If-Match: *`.
    Exists,
    /// The key does not exist: `If-None-Match: *`.
    Absent,
    /// The key exists and has this version: `If-Match: "version"`.
    Version(Version),
}

impl Precondition {
    /// Whether the precondition holds for a key of this version, `None` if the key does not exist.
    pub fn holds(self, current: Option<Version>) -> bool {
        match self {
            Self::None => true,
            Self::Exists => current.is_some(),
            Self::Absent => current.is_none(),
            Self::Version(version) => current == Some(version),
        }
    }
}

/// When a put entry ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    #[default]
    Never,
    /// This long after the store has accepted the write, by the store's clock.
    After(Duration),
    /// At this time; a time in the past stores an entry that is gone at once.
    At(Timestamp),
    /// When the entry that it replaces would have ended; never, if there was none.
    Keep,
}

impl Expiry {
    /// The end of an entry that is written at `now` over one that ends at `previous`.
    pub fn resolve(self, now: Timestamp, previous: Option<Timestamp>) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::After(duration) => Some(now.saturating_add(duration)),
            Self::At(at) => Some(at),
            Self::Keep => previous,
        }
    }
}

/// Identifies one write across its retries. The store remembers with each key the id of its last write, so that a retry
/// of that write is not done again but gets its first outcome, even if its precondition no longer holds. A transaction is
/// recognised as a whole, as long as one of its writes is the last of its key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct WriteId([u8; 16]);

impl WriteId {
    /// An id that no other write has.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The id that follows from these parts, for example a client's `Idempotency-Key` and what it asks for: the first
    /// 128 bits of SHA-256 over the parts, each preceded by its length.
    pub fn derive<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize()[..16]);
        Self(id)
    }

    /// The id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for WriteId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for WriteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WriteId({self})")
    }
}

/// What a [`Write`] does with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteAction {
    /// Stores an entry, in place of any other.
    Put {
        /// The value.
        value: Bytes,
        /// The media type, stored with it.
        content_type: Option<ContentType>,
        /// When it ends.
        expiry: Expiry,
    },
    /// Changes when the entry ends; its value and content type stay as they are. Where there is no entry, nothing happens.
    Touch {
        /// When it ends.
        expiry: Expiry,
    },
    /// Removes the entry. A tombstone keeps the version, so that versions of the key go on growing.
    Delete,
}

/// One write of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Write {
    /// The key.
    pub key: Key,
    /// What to do with it.
    pub action: WriteAction,
    /// What must hold for it to be done.
    pub precondition: Precondition,
    /// Identifies the write across its retries.
    pub write_id: WriteId,
}

impl Write {
    /// Stores `value` under `key`, unconditionally, without expiry.
    pub fn put(key: Key, value: impl Into<Bytes>) -> Self {
        let action = WriteAction::Put {
            value: value.into(),
            content_type: None,
            expiry: Expiry::Never,
        };
        Self::new(key, action)
    }

    /// Changes when the entry of `key` ends, unconditionally.
    pub fn touch(key: Key, expiry: Expiry) -> Self {
        Self::new(key, WriteAction::Touch { expiry })
    }

    /// Removes `key`, unconditionally.
    pub fn delete(key: Key) -> Self {
        Self::new(key, WriteAction::Delete)
    }

    /// The action on the key, unconditionally, with a fresh id.
    pub fn new(key: Key, action: WriteAction) -> Self {
        Self {
            key,
            action,
            precondition: Precondition::None,
            write_id: WriteId::random(),
        }
    }

    /// The same write with the content type and expiry of a put; others stay as they are.
    #[must_use]
    pub fn with_options(mut self, options: PutOptions) -> Self {
        if let WriteAction::Put {
            content_type,
            expiry,
            ..
        } = &mut self.action
        {
            *content_type = options.content_type;
            *expiry = options.expiry;
        }
        self.precondition = options.precondition;
        if let Some(write_id) = options.write_id {
            self.write_id = write_id;
        }
        self
    }

    /// The same write, done only if the precondition holds.
    #[must_use]
    pub fn with_precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// The same write with this id.
    #[must_use]
    pub fn with_write_id(mut self, write_id: WriteId) -> Self {
        self.write_id = write_id;
        self
    }

    /// The bytes of key and value, as batch limits count them.
    pub fn size(&self) -> usize {
        match &self.action {
            WriteAction::Put { value, .. } => self.key.len() + value.len(),
            WriteAction::Touch { .. } | WriteAction::Delete => self.key.len(),
        }
    }
}

/// What a put may say beside key and value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PutOptions {
    /// The media type, stored with the value.
    pub content_type: Option<ContentType>,
    /// When the entry ends. Default: never.
    pub expiry: Expiry,
    /// What must hold for it to be done. Default: nothing.
    pub precondition: Precondition,
    /// Identifies the write across its retries. Default: a fresh id.
    pub write_id: Option<WriteId>,
}

impl PutOptions {
    /// Ends the entry `ttl` after the write.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.expiry = Expiry::After(ttl);
        self
    }

    /// Ends the entry as given.
    #[must_use]
    pub fn with_expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = expiry;
        self
    }

    /// Stores the value with this content type.
    #[must_use]
    pub fn with_content_type(mut self, content_type: Option<ContentType>) -> Self {
        self.content_type = content_type;
        self
    }

    /// Puts only if the precondition holds.
    #[must_use]
    pub fn with_precondition(mut self, precondition: Precondition) -> Self {
        self.precondition = precondition;
        self
    }

    /// Identifies the write, so that it can be retried without being done twice.
    #[must_use]
    pub fn with_write_id(mut self, write_id: WriteId) -> Self {
        self.write_id = Some(write_id);
        self
    }
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteOutcome {
    /// The version of the key after the write. A delete or touch of a key that does not exist changes nothing: then the
    /// version of its tombstone, or [`Version::NONE`]. `NONE`, too, in the outcomes of a retried transaction, for a key
    /// that was written again since: which version it had is not known any more, and no key has this one.
    pub version: Version,
    /// Whether the key existed before: a put replaced, a delete removed an entry.
    pub existed: bool,
    /// When the stored entry ends.
    pub expires_at: Option<Timestamp>,
    /// Whether this is the first outcome of a retried write, which was not done again.
    pub replayed: bool,
}

impl WriteOutcome {
    /// The outcome of a write that was done now.
    pub fn new(version: Version, existed: bool, expires_at: Option<Timestamp>) -> Self {
        Self {
            version,
            existed,
            expires_at,
            replayed: false,
        }
    }

    /// The same outcome, as the answer to a retry.
    #[must_use]
    pub fn with_replayed(mut self, replayed: bool) -> Self {
        self.replayed = replayed;
        self
    }
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Reads a key. A precondition that does not hold fails the transaction: a check without a write.
    Get {
        /// The key.
        key: Key,
        /// What must hold of it.
        precondition: Precondition,
    },
    /// Writes a key.
    Write(Write),
}

impl Operation {
    /// The key of the operation.
    pub fn key(&self) -> &Key {
        match self {
            Self::Get { key, .. } => key,
            Self::Write(write) => &write.key,
        }
    }

    /// The bytes of key and value, as batch limits count them.
    pub fn size(&self) -> usize {
        match self {
            Self::Get { key, .. } => key.len(),
            Self::Write(write) => write.size(),
        }
    }
}

/// What an operation of a transaction found or did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationOutcome {
    /// The entry that a get found, with the writes before it in the same transaction.
    Get(Option<Entry>),
    /// The outcome of a write.
    Write(WriteOutcome),
}
