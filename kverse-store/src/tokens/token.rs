use std::time::Duration;

use kverse_core::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};

use super::{BearerToken, Scope, Target, TokenId, Verb};

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Token {
    /// The id.
    pub id: TokenId,
    /// What it is for, for people.
    pub name: String,
    /// What it grants: what any of these does.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends; `None` if it does not.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub expires_at: Option<Timestamp>,
}

impl Token {
    /// A token that grants everything, without end, for whoever configures a service.
    pub fn bootstrap(id: TokenId) -> Self {
        Self {
            id,
            name: "bootstrap".to_owned(),
            scopes: vec![Scope::everything()],
            created_at: Timestamp::from_micros(0),
            expires_at: None,
        }
    }

    /// Whether this may be done with all of the target.
    pub fn grants(&self, verb: Verb, target: Target<'_>) -> bool {
        self.scopes.iter().any(|scope| scope.grants(verb, target))
    }

    /// Whether it has ended at `now`.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewToken {
    /// What it is for, for people.
    pub name: String,
    /// What it grants.
    pub scopes: Vec<Scope>,
    /// How long it is valid; `None`: without end.
    pub ttl: Option<Duration>,
}

impl NewToken {
    /// The longest name, in bytes.
    pub const MAX_NAME_BYTES: usize = 100;
    /// The most scopes.
    pub const MAX_SCOPES: usize = 32;
    /// The longest time to live: 100 years.
    pub const MAX_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

    /// A token of this name that grants this, without end. Without scopes it grants nothing but to ask what it grants.
    ///
    /// # Errors
    /// `InvalidInput` for an empty name, and one with control characters; `TooLarge` for one that is too long, and for too
    /// many scopes.
    pub fn new(name: impl Into<String>, scopes: Vec<Scope>) -> Result<Self> {
        let name = name.into();
        if name.trim().is_empty() {
            return Err(Error::invalid_input("the name of a token is empty"));
        }
        if name.chars().any(char::is_control) {
            return Err(Error::invalid_input(
                "the name of a token has a control character",
            ));
        }
        check("name of a token", "bytes", Self::MAX_NAME_BYTES, name.len())?;
        check("token", "scopes", Self::MAX_SCOPES, scopes.len())?;
        Ok(Self {
            name,
            scopes,
            ttl: None,
        })
    }

    /// The same, valid for so long.
    ///
    /// # Errors
    /// `InvalidInput` for no time at all, and for more than [`Self::MAX_TTL`].
    pub fn with_ttl(mut self, ttl: Option<Duration>) -> Result<Self> {
        if ttl.is_some_and(|ttl| ttl.is_zero() || ttl > Self::MAX_TTL) {
            return Err(Error::invalid_input(
                "the time to live of a token is out of range: more than 0, at most 100 years",
            ));
        }
        self.ttl = ttl;
        Ok(self)
    }
}

fn check(what: &str, unit: &str, limit: usize, actual: usize) -> Result<()> {
    if actual > limit {
        return Err(Error::too_large(what, unit, limit, actual));
    }
    Ok(())
}

/// A token with its secret, which is not shown again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuedToken {
    /// The token.
    pub token: Token,
    /// Its text, with the secret.
    pub secret: BearerToken,
}

impl IssuedToken {
    /// A token with its text.
    pub fn new(token: Token, secret: BearerToken) -> Self {
        Self { token, secret }
    }
}
