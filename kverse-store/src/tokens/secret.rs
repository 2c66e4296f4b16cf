use std::fmt;
use std::str::FromStr;

use kverse_core::{Error, Result};
use rand::distr::{Alphanumeric, SampleString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The public name of a token: 1 to 32 letters and digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(
    value_type = String, min_length = 1, max_length = 32, pattern = "^[A-Za-z0-9]+$", examples("Xk3mPq81ZrTb"),
))]
pub struct TokenId(String);

impl TokenId {
    const MAX_BYTES: usize = 32;
    /// 71 bits: two tokens of a store do not meet.
    const RANDOM_BYTES: usize = 12;

    /// An id that no other token has.
    pub fn random() -> Self {
        Self(Alphanumeric.sample_string(&mut rand::rng(), Self::RANDOM_BYTES))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenId {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self> {
        id.to_owned().try_into()
    }
}

impl TryFrom<String> for TokenId {
    type Error = Error;

    fn try_from(id: String) -> Result<Self> {
        let is_valid = (1..=Self::MAX_BYTES).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_valid {
            return Err(Error::invalid_input(
                "the id of a token is 1 to 32 letters and digits",
            ));
        }
        Ok(Self(id))
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text of a token, `kv_ID_SECRET`: whoever has it may do what the token grants. Never shown but by
/// [`expose`](Self::expose).
#[derive(Clone)]
pub struct BearerToken {
    id: TokenId,
    secret: String,
}

impl BearerToken {
    const PREFIX: &str = "kv_";
    /// 43 letters and digits are 256 bits.
    const RANDOM_BYTES: usize = 43;
    /// The shortest secret, in characters.
    pub const MIN_SECRET_BYTES: usize = 32;
    /// The longest secret, in characters.
    pub const MAX_SECRET_BYTES: usize = 128;
    /// The shortest token, in characters: `kv_`, an id of one, `_` and the shortest secret.
    pub const MIN_BYTES: usize = Self::PREFIX.len() + 2 + Self::MIN_SECRET_BYTES;
    const EXPECTED: &str =
        "a token is kv_ID_SECRET, with a secret of 32 to 128 letters, digits, `-` and `_`";

    /// A new secret for this id: 256 random bits.
    pub fn random(id: TokenId) -> Self {
        let secret = Alphanumeric.sample_string(&mut rand::rng(), Self::RANDOM_BYTES);
        Self { id, secret }
    }

    /// The id of the token.
    pub fn id(&self) -> &TokenId {
        &self.id
    }

    /// The text.
    pub fn expose(&self) -> String {
        format!("{}{}_{}", Self::PREFIX, self.id, self.secret)
    }

    /// What is stored of the secret.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.secret.as_bytes()).into())
    }

    /// Whether a text has something in it that looks like a whole token, as it must not be in a URL.
    pub fn is_in(text: &str) -> bool {
        text.match_indices(Self::PREFIX).any(|(at, prefix)| {
            let rest = &text[at + prefix.len()..];
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(rest.len());
            let secret = rest[end..].strip_prefix('_').unwrap_or_default();
            let secret = secret.bytes().take_while(|byte| is_of_secret(*byte));
            (1..=TokenId::MAX_BYTES).contains(&end) && secret.count() >= Self::MIN_SECRET_BYTES
        })
    }
}

fn is_of_secret(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

impl FromStr for BearerToken {
    type Err = Error;

    /// The text is not echoed: it is, or is meant to be, a secret.
    fn from_str(text: &str) -> Result<Self> {
        let malformed = || Error::invalid_input(Self::EXPECTED);
        let rest = text.strip_prefix(Self::PREFIX).ok_or_else(malformed)?;
        let (id, secret) = rest.split_once('_').ok_or_else(malformed)?;
        let lengths = Self::MIN_SECRET_BYTES..=Self::MAX_SECRET_BYTES;
        if !lengths.contains(&secret.len()) || !secret.bytes().all(is_of_secret) {
            return Err(malformed());
        }
        Ok(Self {
            id: id.parse().map_err(|_malformed: Error| malformed())?,
            secret: secret.to_owned(),
        })
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}_***", Self::PREFIX, self.id)
    }
}

/// The SHA-256 of a secret. A plain hash will do: the secret is random, and too long to be guessed.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether they are the same, in a time that does not tell how much of them is.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_not_shown() {
        let token = BearerToken::random(TokenId::random());
        let text = token.expose();
        let again: BearerToken = text.parse().unwrap();
        assert_eq!(again.id(), token.id());
        assert!(again.hash().matches(&token.hash()));
        assert!(
            !again
                .hash()
                .matches(&BearerToken::random(TokenId::random()).hash())
        );
        let shown = format!("{again:?} {:?}", again.hash());
        assert!(!shown.contains(&text[16..]), "{shown}");
    }

    #[test]
    fn a_short_secret_is_refused_and_not_echoed() {
        for text in [
            "",
            "kv_a",
            "kv_a_secret",
            "kv__0123456789012345678901234567890123456789",
            "a_0123456789012345678901234567890123456789",
            "kv_a_0123456789012345678901234567890123456789 ",
            "kv_a-b_0123456789012345678901234567890123456789",
        ] {
            let error = text.parse::<BearerToken>().unwrap_err().to_string();
            assert_eq!(error, BearerToken::EXPECTED, "{text}");
        }
    }

    #[test]
    fn a_token_in_a_url_is_found() {
        let token = BearerToken::random(TokenId::random()).expose();
        for text in [
            token.clone(),
            format!("/kv?key={token}"),
            format!("/kv/kv_{token}&a=b"),
        ] {
            assert!(BearerToken::is_in(&text), "{text}");
        }
        for text in ["/kv?key=kv_settings", "/kv/kv_a_b", "/kv/kv__", ""] {
            assert!(!BearerToken::is_in(text), "{text}");
        }
    }
}
