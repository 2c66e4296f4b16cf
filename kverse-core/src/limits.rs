//! Every limit of the service in one place.

use serde::{Deserialize, Serialize};

use crate::{Entry, Error, Result, Write, WriteAction};

/// The limits that a store enforces. A write beyond one of them is refused with
/// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge), naming the limit and the actual value, and nothing is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(
        description = "The limits of this service. What exceeds one is refused, and nothing is stored."
    )
)]
pub struct Limits {
    /// Longest key, in bytes of UTF-8. Fixed: 1024.
    pub max_key_bytes: usize,
    /// Largest value, in bytes. Default 1 MiB.
    pub max_value_bytes: usize,
    /// Longest content type, in bytes. Fixed: 255.
    pub max_content_type_bytes: usize,
    /// Most operations in one read, batch or transaction. Default 1000.
    pub max_batch_operations: usize,
    /// Most bytes of keys and values in one batch or transaction, and of the values that one read or transaction finds.
    /// Default 16 MiB.
    pub max_batch_bytes: usize,
    /// Most entries on one page of a scan, and changes on one page of the feed. Default 1000.
    pub max_page_entries: usize,
    /// A page of a scan ends once its keys and values reach this many bytes. Default 4 MiB.
    pub max_page_bytes: usize,
}

impl Limits {
    /// The default of [`max_value_bytes`](Self::max_value_bytes): 1 MiB.
    pub const DEFAULT_MAX_VALUE_BYTES: usize = 1 << 20;

    /// The same limits with another largest value; a batch may always hold at least two such values.
    #[must_use]
    pub fn with_max_value_bytes(mut self, bytes: usize) -> Self {
        self.max_value_bytes = bytes;
        self.max_batch_bytes = self.max_batch_bytes.max(bytes.saturating_mul(2));
        self
    }

    /// Refuses a write whose value is over the limit.
    ///
    /// # Errors
    /// `TooLarge`, with the limit and the size.
    pub fn check_write(&self, write: &Write) -> Result<()> {
        match &write.action {
            WriteAction::Put { value, .. } if value.len() > self.max_value_bytes => Err(
                Error::too_large("value", "bytes", self.max_value_bytes, value.len()),
            ),
            _ => Ok(()),
        }
    }

    /// Refuses more operations, or more bytes in all, than one batch or transaction may hold.
    ///
    /// # Errors
    /// `TooLarge`, with the limit and the count or size.
    pub fn check_batch(&self, operations: usize, bytes: usize) -> Result<()> {
        if operations > self.max_batch_operations {
            return Err(Error::too_large(
                "batch",
                "operations",
                self.max_batch_operations,
                operations,
            ));
        }
        if bytes > self.max_batch_bytes {
            return Err(Error::too_large(
                "batch",
                "bytes",
                self.max_batch_bytes,
                bytes,
            ));
        }
        Ok(())
    }
}

impl Limits {
    /// What the values that one read or transaction finds may have together.
    pub fn read_budget(&self) -> ReadBudget {
        ReadBudget {
            limit: self.max_batch_bytes,
            found: 0,
        }
    }
}

/// Adds up the values that a read finds, for those who write a store. A single value always fits.
#[derive(Clone, Copy, Debug)]
pub struct ReadBudget {
    limit: usize,
    found: usize,
}

impl ReadBudget {
    /// Counts what was found under a key.
    ///
    /// # Errors
    /// `TooLarge` if the values up to this one have more than [`Limits::max_batch_bytes`].
    pub fn spend(&mut self, entry: Option<&Entry>) -> Result<()> {
        let before = self.found;
        self.found += entry.map_or(0, |entry| entry.value.len());
        if before > 0 && self.found > self.limit {
            return Err(Error::too_large(
                "result of the read",
                "bytes",
                self.limit,
                self.found,
            ));
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_key_bytes: crate::Key::MAX_BYTES,
            max_value_bytes: Self::DEFAULT_MAX_VALUE_BYTES,
            max_content_type_bytes: crate::ContentType::MAX_BYTES,
            max_batch_operations: 1000,
            max_batch_bytes: 16 << 20,
            max_page_entries: 1000,
            max_page_bytes: 4 << 20,
        }
    }
}
