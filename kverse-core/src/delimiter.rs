//! What separates the levels of a hierarchy.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Key, Prefix, Result};

/// What separates the levels of a hierarchy in keys, for example `/`: UTF-8, 1 to 1024 bytes, without NUL.
///
/// ```
/// use kverse_core::{Delimiter, Prefix};
///
/// let slash: Delimiter = "/".parse()?;
/// let photos = Prefix::new("photos/")?;
/// assert_eq!(slash.folder(&photos, &"photos/2026/a.jpg".parse()?), Some(Prefix::new("photos/2026/")?));
/// assert_eq!(slash.folder(&photos, &"photos/b.jpg".parse()?), None);
/// # Ok::<(), kverse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delimiter(Prefix);

impl Delimiter {
    /// Parses a delimiter.
    ///
    /// # Errors
    /// `InvalidInput` if it is empty or contains NUL, `TooLarge` if it is longer than [`Key::MAX_BYTES`].
    pub fn new(delimiter: impl Into<String>) -> Result<Self> {
        let delimiter = delimiter.into();
        if delimiter.is_empty() {
            return Err(Error::invalid_input("the delimiter is empty"));
        }
        Ok(Self(Prefix::parse("delimiter", delimiter)?))
    }

    /// The delimiter as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The folder below `prefix` that a key with that prefix is in: the key up to and including the first delimiter
    /// after the prefix. `None` if there is none.
    pub fn folder(&self, prefix: &Prefix, key: &Key) -> Option<Prefix> {
        let (above, below) = key.as_str().split_at_checked(prefix.as_str().len())?;
        let end = above.len() + below.find(self.as_str())? + self.as_str().len();
        Some(Prefix::beginning(key, end))
    }
}

impl FromStr for Delimiter {
    type Err = Error;

    fn from_str(delimiter: &str) -> Result<Self> {
        Self::new(delimiter)
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
