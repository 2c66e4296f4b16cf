//! Keys and key prefixes, parsed once at the edge.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A key: UTF-8, 1 to 1024 bytes, without NUL. Ordered by its bytes. Cheap to clone.
///
/// ```
/// use kverse_core::Key;
///
/// let key: Key = "user/42".parse()?;
/// assert_eq!(key.as_str(), "user/42");
/// assert!("".parse::<Key>().is_err());
/// # Ok::<(), kverse_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(
    value_type = String, min_length = 1, max_length = 1024, pattern = r"^[^\x00]*$", format = "kverse-key",
    description = "A key: UTF-8, 1 to 1024 bytes, without NUL. Ordered by its bytes.", examples("user/42"),
))]
pub struct Key(Arc<str>);

impl Key {
    /// The longest key, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// Parses a key.
    ///
    /// # Errors
    /// `InvalidInput` if it is empty or contains NUL, `TooLarge` if it is longer than [`Self::MAX_BYTES`].
    pub fn new(key: impl AsRef<str> + Into<Arc<str>>) -> Result<Self> {
        if key.as_ref().is_empty() {
            return Err(Error::invalid_input("the key is empty"));
        }
        check_text("key", key.as_ref())?;
        Ok(Self(key.into()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length of the key in bytes.
    #[expect(clippy::len_without_is_empty, reason = "a key is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

fn check_text(what: &str, text: &str) -> Result<()> {
    if text.len() > Key::MAX_BYTES {
        return Err(Error::too_large(what, "bytes", Key::MAX_BYTES, text.len()));
    }
    match text.find('\0') {
        Some(at) => Err(Error::invalid_input(format!(
            "the {what} contains NUL at byte {at}"
        ))),
        None => Ok(()),
    }
}

impl FromStr for Key {
    type Err = Error;

    fn from_str(key: &str) -> Result<Self> {
        Self::new(key)
    }
}

impl TryFrom<String> for Key {
    type Error = Error;

    fn try_from(key: String) -> Result<Self> {
        Self::new(key)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        (*key.0).to_owned()
    }
}

impl Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Key {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The beginning of keys: UTF-8, 0 to 1024 bytes, without NUL. The empty prefix is the beginning of every key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(
    value_type = String, max_length = 1024, pattern = r"^[^\x00]*$", format = "kverse-prefix", examples("user/"),
))]
pub struct Prefix(String);

impl Prefix {
    /// Parses a prefix.
    ///
    /// # Errors
    /// `InvalidInput` if it contains NUL, `TooLarge` if it is longer than [`Key::MAX_BYTES`].
    pub fn new(prefix: impl Into<String>) -> Result<Self> {
        Self::parse("prefix", prefix.into())
    }

    /// The same, called `what` in errors.
    pub(crate) fn parse(what: &str, prefix: String) -> Result<Self> {
        check_text(what, &prefix)?;
        Ok(Self(prefix))
    }

    /// The first `length` bytes of a key, which must end at a character.
    pub(crate) fn beginning(key: &Key, length: usize) -> Self {
        Self(key.as_str()[..length].to_owned())
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key begins with this prefix.
    pub fn matches(&self, key: &Key) -> bool {
        key.as_str().starts_with(&self.0)
    }

    /// The smallest text that is greater than every key with this prefix; `None` if there is none.
    /// With it, the keys of a prefix are the range `prefix <= key < upper_bound`.
    pub fn upper_bound(&self) -> Option<String> {
        let mut bound = self.0.clone();
        while let Some(last) = bound.pop() {
            // UTF-8 sorts by code point; the surrogates are no characters.
            let next = match last {
                '\u{D7FF}' => Some('\u{E000}'),
                _ => char::from_u32(u32::from(last) + 1),
            };
            if let Some(next) = next {
                bound.push(next);
                return Some(bound);
            }
        }
        None
    }

    /// The greatest key that begins with this prefix, which is longer than any that is likely to be used: what comes
    /// after it comes after all keys of the prefix.
    pub fn last_key(&self) -> Key {
        let mut last = self.0.clone();
        // The greatest characters of 4, 3, 2 and 1 bytes.
        for greatest in ['\u{10FFFF}', '\u{FFFF}', '\u{7FF}', '\u{7F}'] {
            while last.len() + greatest.len_utf8() <= Key::MAX_BYTES {
                last.push(greatest);
            }
        }
        Key(last.into())
    }
}

impl FromStr for Prefix {
    type Err = Error;

    fn from_str(prefix: &str) -> Result<Self> {
        Self::new(prefix)
    }
}

impl TryFrom<String> for Prefix {
    type Error = Error;

    fn try_from(prefix: String) -> Result<Self> {
        Self::new(prefix)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_key_has_1_to_1024_bytes_and_no_nul() {
        assert_eq!(Key::new("").unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(
            Key::new("a\0b").unwrap_err().to_string(),
            "the key contains NUL at byte 1"
        );
        assert!(Key::new("a".repeat(1024)).is_ok());
        let error = Key::new("é".repeat(513)).unwrap_err();
        assert_eq!((error.limit(), error.actual()), (Some(1024), Some(1026)));
    }

    #[test]
    fn no_key_of_a_prefix_is_after_the_last() {
        for prefix in ["", "a", "ab", "abc", "abcd", "a\u{10FFFF}"] {
            let prefix = Prefix::new(prefix).unwrap();
            let last = prefix.last_key();
            assert_eq!(last.len(), Key::MAX_BYTES);
            let (length, end) = last.as_str().char_indices().next_back().unwrap();
            for greater in [char::MAX, '\u{FFFF}', '\u{7FF}', '\u{7F}'] {
                let key = Key::new(format!("{}{greater}", &last.as_str()[..length]));
                assert!(key.is_err() || greater <= end);
            }
        }
    }

    #[test]
    fn upper_bound_at_the_edges() {
        let bound = |prefix: &str| Prefix::new(prefix).unwrap().upper_bound();
        assert_eq!(bound("a").as_deref(), Some("b"));
        assert_eq!(bound("a\u{10FFFF}").as_deref(), Some("b"));
        assert_eq!(bound("\u{D7FF}").as_deref(), Some("\u{E000}"));
        assert_eq!(bound("\u{10FFFF}"), None);
        assert_eq!(bound(""), None);
    }

    proptest! {
        #[test]
        fn a_prefix_is_exactly_its_range(prefix in "[^\0]{0,8}", key in "[^\0]{1,8}", tail in "[^\0]{0,4}") {
            let (p, k) = (Prefix::new(prefix.clone()).unwrap(), Key::new(key.clone()).unwrap());
            let in_range = key >= prefix && p.upper_bound().is_none_or(|bound| key < bound);
            prop_assert_eq!(in_range, p.matches(&k));
            let longer = format!("{prefix}{tail}");
            prop_assert!(p.upper_bound().is_none_or(|bound| longer < bound));
            let last = p.last_key();
            prop_assert!(p.matches(&last) && !p.matches(&k) | (k <= last));
        }
    }
}
