//! What watchers are sent: blocks of the `text/event-stream` format.

use std::time::Duration;

use bytes::Bytes;
use kverse_core::{Change, ChangeKind, ChangePosition, Entry, Key, Version};
use kverse_store::wire::{KeyResponse, encode_value};
use serde_json::json;

use crate::error::Failure;

/// A change, written once for all watchers.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) position: ChangePosition,
    pub(super) key: Key,
    pub(super) version: Version,
    pub(super) kind: ChangeKind,
    pub(super) text: Bytes,
}

impl Event {
    pub(super) fn new(change: Change) -> Self {
        let version = change.version.to_string();
        let data = json!({ "key": change.key.as_str(), "version": version }).to_string();
        Self {
            text: block(change.kind, change.position, &data),
            position: change.position,
            key: change.key,
            version: change.version,
            kind: change.kind,
        }
    }

    /// The event with the entry that it stored.
    pub(super) fn with_entry(&self, entry: &Entry) -> Result<Bytes, Failure> {
        let (value, value_base64) = encode_value(&entry.value);
        let data = serde_json::to_string(&KeyResponse {
            key: self.key.clone(),
            version: entry.version,
            size: entry.value.len() as u64,
            content_type: entry.content_type.clone(),
            expires_at: entry.expires_at,
            value,
            value_base64,
        });
        let data = data.map_err(Failure::internal)?;
        Ok(block(self.kind, self.position, &data))
    }
}

fn block(kind: ChangeKind, position: ChangePosition, data: &str) -> Bytes {
    format!("event: {kind}\nid: {position}\ndata: {data}\n\n").into()
}

/// The beginning: where to resume, and after which pause. No event in the sense of the format, since it has no data.
pub(super) fn opening(position: ChangePosition, retry: Duration) -> Bytes {
    format!("retry: {}\nid: {position}\n\n", retry.as_millis()).into()
}

/// A sign of life: a comment, and, where it is known, how far the watcher has come, so that it can resume there even if
/// nothing has happened to its keys for longer than changes are kept.
pub(super) fn heartbeat(position: Option<ChangePosition>) -> Bytes {
    match position {
        Some(position) => format!(":\nid: {position}\n\n").into(),
        None => Bytes::from_static(b":\n\n"),
    }
}

/// The last event: why there are no more.
pub(super) fn last(failure: &Failure) -> Bytes {
    // Text and numbers, which JSON can always have.
    let problem = serde_json::to_string(&failure.problem()).unwrap_or_default();
    format!("event: error\ndata: {problem}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_cannot_break_out_of_its_line() {
        let position = ChangePosition::new(1, 2, 3, 4);
        let key = "a\nid: 1\r\n\ndata: {}\u{2028}".parse().unwrap();
        let change = Change::new(position, key, Version::new(7), ChangeKind::Put);
        let event = Event::new(change);
        let text = std::str::from_utf8(&event.text).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[0], "event: put");
        assert_eq!(lines[1], format!("id: {position}"));
        assert_eq!(
            lines[2],
            "data: {\"key\":\"a\\nid: 1\\r\\n\\ndata: {}\u{2028}\",\"version\":\"7\"}"
        );
        assert!(!text.contains('\r'));
    }
}
