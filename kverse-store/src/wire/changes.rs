//! The feed of changes.

use kverse_core::{Change, ChangeKind, ChangePage, ChangePosition, Key, Result, Version};
use serde::{Deserialize, Serialize};

/// The answer of `GET /watch` to a client that accepts `application/json`: a page of the feed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangesResponse {
    /// The changes, in the order of the feed.
    pub changes: Vec<ChangeResponse>,
    /// Where the feed goes on: `since` of the next request.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub position: ChangePosition,
    /// Whether there may be more already.
    pub more: bool,
}

/// One change.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChangeResponse {
    /// What happened: `put`, `delete` or `expire`.
    pub event: String,
    /// The key.
    pub key: Key,
    /// The version that the change gave the key.
    pub version: Version,
    /// Where the feed goes on after it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub position: ChangePosition,
}

impl From<ChangePage> for ChangesResponse {
    fn from(page: ChangePage) -> Self {
        Self {
            changes: page.changes.into_iter().map(Into::into).collect(),
            position: page.position,
            more: page.more,
        }
    }
}

impl From<Change> for ChangeResponse {
    fn from(change: Change) -> Self {
        Self {
            event: change.kind.as_str().to_owned(),
            key: change.key,
            version: change.version,
            position: change.position,
        }
    }
}

impl ChangesResponse {
    /// The page.
    ///
    /// # Errors
    /// `InvalidInput` for a change of an unknown kind.
    pub fn into_page(self) -> Result<ChangePage> {
        let mut page = ChangePage::empty(self.position).with_more(self.more);
        let changes = self.changes.into_iter().map(ChangeResponse::into_change);
        page.changes = changes.collect::<Result<_>>()?;
        Ok(page)
    }
}

impl ChangeResponse {
    /// The change.
    ///
    /// # Errors
    /// `InvalidInput` for an unknown kind.
    pub fn into_change(self) -> Result<Change> {
        let kind: ChangeKind = self.event.parse()?;
        Ok(Change::new(self.position, self.key, self.version, kind))
    }
}
