use std::fmt;
use std::str::FromStr;

use kverse_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a token may do.
///
/// | verb | covers |
/// |---|---|
/// | `read` | the value of a key with all that is stored beside it: `GET` and `HEAD` of `/kv`, the gets of batches and transactions; what else gives out values needs it too |
/// | `write` | storing under a key: `PUT` and `PATCH` of `/kv`, the puts and touches of batches and transactions, `/import`. Its answer tells the version of the key, and whether it existed |
/// | `delete` | removing a key: `DELETE` of `/kv`, the deletes of batches and transactions; `DELETE /keys` needs `list` too |
/// | `list` | finding and counting keys, with sizes and versions: `GET /keys`; with values, and for `/export`, `read` is needed too |
/// | `watch` | being told of changes: `/watch` |
/// | `monitor` | figures about the whole service, which name no key: `/stats`, `/metrics` |
/// | `admin` | the tokens themselves: `/tokens` |
///
/// `monitor` and `admin` are about the whole service: a prefix does not narrow them, so they are granted for the empty one
/// only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(
    feature = "openapi",
    derive(utoipa::ToSchema),
    schema(description = "What a token may do.")
)]
#[non_exhaustive]
pub enum Verb {
    /// The value of a key.
    Read,
    /// Storing under a key.
    Write,
    /// Removing a key.
    Delete,
    /// Finding and counting keys.
    List,
    /// Being told of changes.
    Watch,
    /// Figures about the whole service.
    Monitor,
    /// The tokens themselves.
    Admin,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 7] = [
        Self::Read,
        Self::Write,
        Self::Delete,
        Self::List,
        Self::Watch,
        Self::Monitor,
        Self::Admin,
    ];

    /// The name, as in the REST interface and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Monitor => "monitor",
            Self::Admin => "admin",
        }
    }

    /// Whether it is about the whole service, not about keys.
    pub const fn is_about_the_service(self) -> bool {
        matches!(self, Self::Monitor | Self::Admin)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Verb {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|verb| verb.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::invalid_input(format!("unknown verb `{name}`; known: {known}"))
        })
    }
}
