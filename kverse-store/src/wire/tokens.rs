//! Access tokens.

use std::time::Duration;

use kverse_core::{Error, Expiry, Result};
use serde::{Deserialize, Serialize};

use super::parse_ttl;
use crate::tokens::{BearerToken, IssuedToken, NewToken, Scope, Token};

/// The body of `POST /tokens`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateTokenRequest {
    /// What the token is for, for people: 1 to 100 bytes.
    #[cfg_attr(
        feature = "openapi",
        schema(
            min_length = 1,
            max_length = 100,
            pattern = r"^[^\x00-\x1f\x7f-\x9f]+$",
            format = "kverse-token-name",
            examples("backup"),
        )
    )]
    pub name: String,
    /// What it grants: at most 32 scopes.
    #[cfg_attr(feature = "openapi", schema(max_items = 32))]
    pub scopes: Vec<Scope>,
    /// How long it is valid: seconds, or a duration such as `30d`; left away: without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Span>))]
    pub ttl: Option<String>,
}

impl CreateTokenRequest {
    /// The token that is asked for.
    ///
    /// # Errors
    /// As [`NewToken::new`] and [`NewToken::with_ttl`].
    pub fn parse(self) -> Result<NewToken> {
        let ttl = self.ttl.as_deref().map(parse_duration).transpose()?;
        NewToken::new(self.name, self.scopes)?.with_ttl(ttl)
    }
}

impl From<NewToken> for CreateTokenRequest {
    fn from(new: NewToken) -> Self {
        Self {
            name: new.name,
            scopes: new.scopes,
            ttl: new.ttl.map(duration_text),
        }
    }
}

/// The body of `POST /tokens/{id}/rotate`, which may be left away.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RotateTokenRequest {
    /// How long the secret that is replaced stays valid: seconds, or a duration such as `1h`; left away: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Span>))]
    pub overlap: Option<String>,
}

impl RotateTokenRequest {
    /// With this overlap.
    pub fn new(overlap: Duration) -> Self {
        Self {
            overlap: (!overlap.is_zero()).then(|| duration_text(overlap)),
        }
    }

    /// The overlap.
    ///
    /// # Errors
    /// `InvalidInput` for what is not a duration.
    pub fn parse(&self) -> Result<Duration> {
        let overlap = self.overlap.as_deref().map(parse_duration).transpose()?;
        Ok(overlap.unwrap_or_default())
    }
}

fn duration_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// What [`parse_duration`] reads, as a schema. Not all that matches the pattern is a duration: it does not know the units.
#[cfg(feature = "openapi")]
#[derive(utoipa::ToSchema)]
#[schema(
    value_type = String,
    format = "kverse-duration",
    pattern = r"^([0-9]+|([0-9]+(\.[0-9]+)? *[a-zA-Zµ]+ *)+)$",
    description = "Seconds, or a duration with units (`1h30m`, `30d`): more than 0, at most 100 years.",
    examples("30d"),
)]
#[expect(dead_code, reason = "described, never constructed")]
struct Span(String);

/// A duration: seconds (`90`) or with units (`1h30m`, `30d`), more than 0, at most 100 years.
///
/// # Errors
/// `InvalidInput` for anything else.
pub fn parse_duration(text: &str) -> Result<Duration> {
    match parse_ttl(text) {
        Ok(Expiry::After(duration)) => Ok(duration),
        _ => Err(Error::invalid_input(format!(
            "`{text}` is not a duration: expected seconds, or one with units such as 1h30m or 30d, more than 0 and at \
             most 100 years"
        ))),
    }
}

/// The answer of `POST /tokens` and `POST /tokens/{id}/rotate`: the only one with a secret.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IssuedTokenResponse {
    /// The text to authenticate with, `kv_ID_SECRET`. It is not shown again.
    pub token: String,
    /// What is known of the token from now on.
    #[serde(flatten)]
    pub about: Token,
}

impl From<IssuedToken> for IssuedTokenResponse {
    fn from(issued: IssuedToken) -> Self {
        Self {
            token: issued.secret.expose(),
            about: issued.token,
        }
    }
}

impl IssuedTokenResponse {
    /// The token.
    ///
    /// # Errors
    /// `InvalidInput` if the text is not that of a token.
    pub fn parse(self) -> Result<IssuedToken> {
        let secret: BearerToken = self.token.parse()?;
        Ok(IssuedToken::new(self.about, secret))
    }
}

/// The answer of `GET /tokens`: no secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokensResponse {
    /// The tokens, the oldest first.
    pub tokens: Vec<Token>,
}

/// The answer of `GET /tokens/self`: what who asks may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SelfResponse {
    /// What is granted: everything, if access is not controlled.
    pub scopes: Vec<Scope>,
    /// The token; `null` if access is not controlled.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub token: Option<Token>,
}

impl SelfResponse {
    /// For a token, or for anyone.
    pub fn new(token: Option<&Token>) -> Self {
        Self {
            scopes: token.map_or_else(|| vec![Scope::everything()], |token| token.scopes.clone()),
            token: token.cloned(),
        }
    }
}
