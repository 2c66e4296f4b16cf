//! What a key holds.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, Timestamp, Version};

/// The value of a key with everything stored beside it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The value: bytes, never interpreted.
    pub value: Bytes,
    /// The media type that the value was stored with.
    pub content_type: Option<ContentType>,
    /// The version of the key.
    pub version: Version,
    /// When the entry ends; `None` if it does not.
    pub expires_at: Option<Timestamp>,
}

impl Entry {
    /// An entry without content type and expiry.
    pub fn new(value: impl Into<Bytes>, version: Version) -> Self {
        Self {
            value: value.into(),
            content_type: None,
            version,
            expires_at: None,
        }
    }

    /// The same entry with this content type.
    #[must_use]
    pub fn with_content_type(mut self, content_type: Option<ContentType>) -> Self {
        self.content_type = content_type;
        self
    }

    /// The same entry with this end.
    #[must_use]
    pub fn with_expires_at(mut self, expires_at: Option<Timestamp>) -> Self {
        self.expires_at = expires_at;
        self
    }

    /// Whether the entry has ended at `now`: an entry whose `expires_at` is `now` is gone.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        is_expired(self.expires_at, now)
    }
}

/// The one rule of expiry: what expires at `now` is gone at `now`.
pub(crate) fn is_expired(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|at| at <= now)
}

/// The media type of a value: 1 to 255 visible ASCII characters and spaces, as an HTTP header can carry them. Its grammar
/// is not checked: it goes back as it came. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(
    value_type = String, min_length = 1, max_length = 255, pattern = "^ *[!-~][ -~]*$",
    description = "The media type of a value: visible ASCII characters and spaces. It goes back as it came.",
    examples("text/plain"),
))]
pub struct ContentType(Arc<str>);

impl ContentType {
    /// The longest content type, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Parses a content type.
    ///
    /// # Errors
    /// `InvalidInput` if it is empty or has a character that a header cannot carry, `TooLarge` if it is longer than
    /// [`Self::MAX_BYTES`].
    pub fn new(content_type: impl AsRef<str> + Into<Arc<str>>) -> Result<Self> {
        let text = content_type.as_ref();
        if text.len() > Self::MAX_BYTES {
            return Err(Error::too_large(
                "content type",
                "bytes",
                Self::MAX_BYTES,
                text.len(),
            ));
        }
        if text.trim().is_empty() {
            return Err(Error::invalid_input("the content type is empty"));
        }
        if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Error::invalid_input(
                "the content type has a character other than visible ASCII and space",
            ));
        }
        Ok(Self(content_type.into()))
    }

    /// The content type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContentType {
    type Err = Error;

    fn from_str(content_type: &str) -> Result<Self> {
        Self::new(content_type)
    }
}

impl TryFrom<String> for ContentType {
    type Error = Error;

    fn try_from(content_type: String) -> Result<Self> {
        Self::new(content_type)
    }
}

impl From<ContentType> for String {
    fn from(content_type: ContentType) -> Self {
        (*content_type.0).to_owned()
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
