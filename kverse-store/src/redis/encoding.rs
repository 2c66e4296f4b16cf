//! The values of keys in Redis. `scripts/common.lua` describes them.

use bytes::Bytes;
use kverse_core::{ContentType, Entry, Timestamp, Version};

const ENTRY: &[u8] = b"KV";
const ABSENT: &[u8] = b"KN";
const LEASE: &[u8] = b"KL";
const MARKER: &[u8] = b"KM";
/// Of an entry: what stands before the content type.
const HEADER: usize = 19;

/// What a plain GET found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// An entry, or that there is none.
    Known(Option<Entry>),
    /// A lease or a marker: the lookup script decides.
    InFlight,
    /// Nothing that KVerse wrote.
    Garbage,
}

/// Reads a value; that of the entry and its buffer are the same memory.
pub(super) fn decode(stored: Vec<u8>) -> Stored {
    let stored = Bytes::from(stored);
    match stored.get(..2) {
        Some(ENTRY) => decode_entry(&stored).map_or(Stored::Garbage, |e| Stored::Known(Some(e))),
        Some(ABSENT) if stored.len() == 10 => Stored::Known(None),
        Some(LEASE | MARKER) => Stored::InFlight,
        _ => Stored::Garbage,
    }
}

fn decode_entry(stored: &Bytes) -> Option<Entry> {
    let version = Version::new(u64_at(stored, 2)?);
    let expires_at = match u64_at(stored, 10)? {
        0 => None,
        micros => Some(Timestamp::from_micros(micros)),
    };
    let value_at = HEADER + usize::from(*stored.get(HEADER - 1)?);
    let content_type = match stored.get(HEADER..value_at)? {
        [] => None,
        text => Some(ContentType::new(std::str::from_utf8(text).ok()?).ok()?),
    };
    let entry = Entry::new(stored.slice(value_at..), version);
    Some(
        entry
            .with_content_type(content_type)
            .with_expires_at(expires_at),
    )
}

fn u64_at(stored: &Bytes, at: usize) -> Option<u64> {
    let bytes = stored.get(at..at + 8)?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

/// The value to store for what a key holds in this version.
pub(super) fn encode(version: Version, found: Option<&Entry>) -> Vec<u8> {
    let Some(entry) = found else {
        return [ABSENT, &version.get().to_be_bytes()].concat();
    };
    let content_type = entry.content_type.as_ref().map_or("", ContentType::as_str);
    // 0 is never: an entry that ends in 1970 has ended in the next microsecond too.
    let expires_at = entry.expires_at.map_or(0, |at| at.as_micros().max(1));
    let mut stored = Vec::with_capacity(HEADER + content_type.len() + entry.value.len());
    stored.extend_from_slice(ENTRY);
    stored.extend_from_slice(&version.get().to_be_bytes());
    stored.extend_from_slice(&expires_at.to_be_bytes());
    // At most 255 bytes: a content type is not longer.
    stored.push(u8::try_from(content_type.len()).unwrap_or(u8::MAX));
    stored.extend_from_slice(content_type.as_bytes());
    stored.extend_from_slice(&entry.value);
    stored
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_comes_back(
            value: Vec<u8>,
            version: u64,
            content_type in proptest::option::of("[!-~]{1,255}"),
            expires_at in proptest::option::of(1..Timestamp::MAX.as_micros()),
        ) {
            let entry = Entry::new(value, Version::new(version))
                .with_content_type(content_type.map(|text| text.parse().unwrap()))
                .with_expires_at(expires_at.map(Timestamp::from_micros));
            let stored = encode(entry.version, Some(&entry));
            prop_assert_eq!(decode(stored), Stored::Known(Some(entry)));
        }

        #[test]
        fn no_bytes_break_the_reader(state in 0..4usize, mut bytes: Vec<u8>) {
            bytes.splice(0..0, [ENTRY, ABSENT, LEASE, b""][state].iter().copied());
            let short = bytes.len() < 10;
            let found = decode(bytes);
            prop_assert!(!short || !matches!(found, Stored::Known(_)));
        }
    }

    #[test]
    fn an_absence_comes_back() {
        let stored = encode(Version::new(7), None);
        assert_eq!(decode(stored), Stored::Known(None));
    }
}
