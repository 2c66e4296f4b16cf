//! What a script is told of several keys.

use kverse_core::Key;
use redis::Cmd;

use super::encoding::Payload;

/// The most keys in one command.
pub(super) const MAX_KEYS: usize = 128;
/// A script gets no further key once its arguments have so many bytes.
const MAX_BYTES: usize = 4 << 20;

/// What a script is told of a key.
pub(super) struct Item {
    pub(super) key: Key,
    /// A lease or a version, if there is one.
    pub(super) stamp: Option<u64>,
    pub(super) payload: Payload,
}

impl Item {
    pub(super) fn write_to(&self, run: &mut Cmd) {
        match self.stamp {
            Some(stamp) => run.arg(stamp.to_be_bytes().as_slice()),
            None => run.arg(""),
        };
        run.arg(&self.payload);
    }
}

/// As many keys and bytes together as one script may have.
pub(super) fn chunks(items: impl Iterator<Item = Item>) -> Vec<Vec<Item>> {
    let mut chunks = Vec::new();
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    for item in items {
        bytes += item.payload.len();
        chunk.push(item);
        if chunk.len() == MAX_KEYS || bytes >= MAX_BYTES {
            chunks.push(std::mem::take(&mut chunk));
            bytes = 0;
        }
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}
