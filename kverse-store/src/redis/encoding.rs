//! The values of keys in Redis. `scripts/common.lua` describes them.

use bytes::{BufMut, Bytes};
use kverse_core::{ContentType, Entry, Timestamp, Version};
use redis::{RedisWrite, ToRedisArgs};

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

/// What a script is to store for a key, written straight into the command.
#[derive(Debug)]
pub(super) enum Payload {
    /// Nothing: an empty argument.
    Nothing,
    /// What the key holds in this version.
    Known(Version, Option<Entry>),
}

impl Payload {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Known(_, None) => ABSENT.len() + size_of::<u64>(),
            Self::Known(_, Some(entry)) => {
                HEADER + content_type_of(entry).len() + entry.value.len()
            }
        }
    }

    fn put(&self, mut out: impl BufMut) {
        let Self::Known(version, found) = self else {
            return;
        };
        let Some(entry) = found else {
            out.put_slice(ABSENT);
            out.put_u64(version.get());
            return;
        };
        let content_type = content_type_of(entry);
        out.put_slice(ENTRY);
        out.put_u64(version.get());
        // 0 is never: an entry that ends in 1970 has ended in the next microsecond too.
        out.put_u64(entry.expires_at.map_or(0, |at| at.as_micros().max(1)));
        // At most 255 bytes: a content type is not longer.
        out.put_u8(u8::try_from(content_type.len()).unwrap_or(u8::MAX));
        out.put_slice(content_type.as_bytes());
        out.put_slice(&entry.value);
    }
}

impl ToRedisArgs for Payload {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        self.put(out.bufmut_for_next_arg(self.len()));
    }
}

fn content_type_of(entry: &Entry) -> &str {
    entry.content_type.as_ref().map_or("", ContentType::as_str)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(payload: Payload) -> Vec<u8> {
        let encoded = payload.to_redis_args().remove(0);
        assert_eq!(encoded.len(), payload.len());
        encoded
    }

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
            let stored = encode(Payload::Known(entry.version, Some(entry.clone())));
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
        let stored = encode(Payload::Known(Version::new(7), None));
        assert_eq!(decode(stored), Stored::Known(None));
    }
}
