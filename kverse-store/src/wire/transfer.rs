//! Exports and imports: newline-delimited JSON.

use bytes::Bytes;
use kverse_core::{ContentType, Error, Expiry, Key, Result, ScanEntry, Timestamp, Version, Write};
use serde::{Deserialize, Serialize};

use super::{decode_value, encode_value};

/// A line of `GET /export` and `POST /import`: one entry. A field that is not known is refused, because it would be lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct EntryLine {
    /// The key.
    pub key: Key,
    /// The value, if it is UTF-8. A line has exactly one of `value` and `value_base64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value as Base64, if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// Import: the size of the value in bytes, as lists have it. Refused if it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The version that the key had. An import gives it a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The media type of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<ContentType>,
    /// When the entry ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl EntryLine {
    /// Reads a line, without or with its line break.
    ///
    /// # Errors
    /// `InvalidInput` for anything but one JSON object in UTF-8 with these fields.
    pub fn parse(line: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(line).map_err(|error| {
            let at = error.valid_up_to() + 1;
            Error::invalid_input(format!("not UTF-8 at byte {at}")).with_source(error)
        })?;
        serde_json::from_str(text).map_err(|error| {
            let message = error.to_string();
            // It counts one line of its own.
            let place = format!(" at line {} column {}", error.line(), error.column());
            let reason = message.strip_suffix(&place).unwrap_or(&message);
            let what = if error.is_data() { "" } else { "not JSON: " };
            let message = format!("{what}{reason} at byte {}", error.column());
            Error::invalid_input(message).with_source(error)
        })
    }

    /// The put that stores the entry.
    ///
    /// # Errors
    /// `InvalidInput` if not exactly one of `value` and `value_base64` is given, the Base64 is malformed, or the value has
    /// another size than the line says.
    pub fn into_write(self) -> Result<Write> {
        let value: Bytes = decode_value(self.value, self.value_base64)?;
        if let Some(size) = self.size.filter(|size| *size != value.len() as u64) {
            return Err(Error::invalid_input(format!(
                "the value has {} bytes, its `size` is {size}",
                value.len()
            )));
        }
        let options = kverse_core::PutOptions::default()
            .with_content_type(self.content_type)
            .with_expiry(self.expires_at.map_or(Expiry::Never, Expiry::At));
        Ok(Write::put(self.key, value).with_options(options))
    }
}

impl From<ScanEntry> for EntryLine {
    fn from(entry: ScanEntry) -> Self {
        let (value, value_base64) = entry.value.as_ref().map_or((None, None), encode_value);
        Self {
            key: entry.key,
            value,
            value_base64,
            size: None,
            version: Some(entry.version),
            content_type: entry.content_type,
            expires_at: entry.expires_at,
        }
    }
}

/// What an import has done: the answer of `POST /import`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportReport {
    /// Lines that were stored.
    pub imported: u64,
    /// Lines whose key existed already, with `on_conflict=skip`.
    pub skipped: u64,
    /// Lines whose entry has ended; they are not stored.
    pub expired: u64,
    /// What ended the import before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ImportError>,
}

/// What ended an import before its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ImportError {
    /// The number of the line, from 1. Those before it are done, unless they are among `unknown`; none after it is, unless
    /// the store failed while it wrote several lines at once.
    pub line: u64,
    /// How many lines, from this one on, may or may not be stored, because the store gave no answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unknown: u64,
    /// What is wrong, for a program.
    pub code: String,
    /// What is wrong, for a person.
    pub detail: String,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
