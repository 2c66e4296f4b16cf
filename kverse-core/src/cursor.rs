//! Where a scan goes on.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::{Delimiter, Error, Key, Prefix, Result};

/// Where a scan goes on, as opaque text that only fits the prefix and the delimiter that it was made for.
///
/// ```
/// use kverse_core::{Cursor, Prefix};
///
/// let users = Prefix::new("user/")?;
/// let text = Cursor::new(&users, None, "user/42".parse()?).to_string();
/// let cursor: Cursor = text.parse()?;
/// assert_eq!(cursor.start_after(&users, None)?.as_str(), "user/42");
/// assert!(cursor.start_after(&Prefix::new("group/")?, None).is_err());
/// assert!(cursor.start_after(&users, Some(&"/".parse()?)).is_err());
/// # Ok::<(), kverse_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    query: [u8; Self::QUERY_BYTES],
    key: Key,
}

impl Cursor {
    const QUERY_BYTES: usize = 8;
    /// What follows is the key.
    const KEY: u8 = 0;
    /// What follows is a prefix, of which it is the last key: 1024 bytes would be much for a URL.
    const LAST_KEY_OF: u8 = 1;

    /// The cursor of a scan of `prefix` by `delimiter` that goes on after `key`.
    pub fn new(prefix: &Prefix, delimiter: Option<&Delimiter>, key: Key) -> Self {
        Self {
            query: Self::query(prefix, delimiter),
            key,
        }
    }

    fn query(prefix: &Prefix, delimiter: Option<&Delimiter>) -> [u8; Self::QUERY_BYTES] {
        // Neither has NUL in it.
        let delimiter = delimiter.map_or("", Delimiter::as_str);
        let digest = Sha256::digest(format!("{prefix}\0{delimiter}"));
        let mut query = [0; Self::QUERY_BYTES];
        query.copy_from_slice(&digest[..Self::QUERY_BYTES]);
        query
    }

    /// The key after which the scan of `prefix` by `delimiter` goes on.
    ///
    /// # Errors
    /// `InvalidInput` if the cursor was made for another prefix or delimiter.
    pub fn start_after(&self, prefix: &Prefix, delimiter: Option<&Delimiter>) -> Result<Key> {
        if self.query != Self::query(prefix, delimiter) {
            return Err(Error::invalid_input(
                "the cursor belongs to another query: it was given for another prefix or delimiter",
            ));
        }
        Ok(self.key.clone())
    }

    /// The shortest prefix of which the key is the last one.
    fn prefix_of_last_key(&self) -> Option<&str> {
        let key = self.key.as_str();
        let filled = key
            .strip_suffix(['\u{FFFF}', '\u{7FF}', '\u{7F}'])
            .unwrap_or(key);
        let prefix = filled.trim_end_matches(char::MAX);
        let found = Prefix::beginning(&self.key, prefix.len()).last_key() == self.key;
        found.then_some(prefix)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, text) = match self.prefix_of_last_key() {
            Some(prefix) => (Self::LAST_KEY_OF, prefix),
            None => (Self::KEY, self.key.as_str()),
        };
        let mut bytes = self.query.to_vec();
        bytes.push(kind);
        bytes.extend_from_slice(text.as_bytes());
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
        let (query, rest) = bytes.split_first_chunk().ok_or_else(malformed)?;
        let (kind, text) = rest.split_first().ok_or_else(malformed)?;
        let text = std::str::from_utf8(text).map_err(|error| malformed().with_source(error))?;
        let key = match *kind {
            Self::KEY => text.parse(),
            Self::LAST_KEY_OF => Prefix::new(text).map(|prefix| prefix.last_key()),
            _ => return Err(malformed()),
        };
        Ok(Self {
            query: *query,
            key: key.map_err(|error| malformed().with_source(error))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_end_of_a_folder_is_short() {
        let folder = Prefix::new("photos/2026/").unwrap();
        let text = Cursor::new(&folder, None, folder.last_key()).to_string();
        assert!(text.len() < 40, "{text}");
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let whole = Cursor::new(&Prefix::default(), None, "a".parse().unwrap()).to_string();
        for text in [
            "",
            "a",
            "AAAAAAAAAAA",
            "AAAAAAAAAAAC",
            "AAAAAAAAAAAA_w",
            &whole[1..],
        ] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_cursor_comes_back(prefix in "[^\0]{0,8}", key in "[^\0]{1,8}|\\PC\u{10FFFF}{250,254}\\PC?", last in any::<bool>()) {
            let prefix = Prefix::new(prefix).unwrap();
            let key = if last { Prefix::new(key).unwrap().last_key() } else { key.parse().unwrap() };
            let cursor = Cursor::new(&prefix, None, key.clone());
            let parsed: Cursor = cursor.to_string().parse().unwrap();
            prop_assert_eq!(parsed.start_after(&prefix, None).unwrap(), key);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,40}|[A-Za-z0-9_-]{0,40}") {
            if let Ok(cursor) = text.parse::<Cursor>() {
                prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
            }
        }
    }
}
