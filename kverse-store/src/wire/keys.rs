//! Pages of keys.

use kverse_core::{ContentType, Key, Prefix, Result, ScanEntry, Timestamp, Version};
use serde::{Deserialize, Serialize};

use super::{decode_value, encode_value};

/// The answer of `GET /keys`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeysResponse {
    /// The keys, in byte order.
    pub keys: Vec<KeyResponse>,
    /// The folders: the common beginnings of keys that a delimiter folds together, in byte order.
    pub common_prefixes: Vec<Prefix>,
    /// Where the next page starts; `null` on the last page.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub cursor: Option<String>,
}

/// The answer of `GET /keys?count=true`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CountResponse {
    /// How many keys there are, up to where the cursor goes on.
    pub count: u64,
    /// Where the count goes on; `null` if these are all.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub cursor: Option<String>,
}

/// The answer of `DELETE /keys`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeletedResponse {
    /// How many keys were deleted.
    pub deleted: u64,
    /// Where the deletion goes on; `null` if it is done.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub cursor: Option<String>,
}

/// One key of `GET /keys`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyResponse {
    /// The key.
    pub key: Key,
    /// Its version.
    pub version: Version,
    /// The size of its value in bytes.
    pub size: u64,
    /// The media type of its value.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub content_type: Option<ContentType>,
    /// When the entry ends.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at: Option<Timestamp>,
    /// With `include=value`: the value, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// With `include=value`: the value as Base64, if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
}

impl From<ScanEntry> for KeyResponse {
    fn from(entry: ScanEntry) -> Self {
        let (value, value_base64) = entry.value.as_ref().map_or((None, None), encode_value);
        Self {
            key: entry.key,
            version: entry.version,
            size: entry.size,
            content_type: entry.content_type,
            expires_at: entry.expires_at,
            value,
            value_base64,
        }
    }
}

impl KeyResponse {
    /// The entry of a page.
    ///
    /// # Errors
    /// `InvalidInput` if the value is not the Base64 that it claims to be.
    pub fn into_entry(self) -> Result<ScanEntry> {
        let mut entry = ScanEntry::new(self.key, self.version, self.size);
        entry.content_type = self.content_type;
        entry.expires_at = self.expires_at;
        if self.value.is_some() || self.value_base64.is_some() {
            entry.value = Some(decode_value(self.value, self.value_base64)?);
        }
        Ok(entry)
    }
}
