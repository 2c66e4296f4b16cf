//! What a database keeps of tokens.

use std::fmt::Debug;

use async_trait::async_trait;
use kverse_core::{Result, Timestamp};

use super::{BearerToken, SecretHash, Token, TokenId};

/// The row of a token.
#[derive(Clone, Debug)]
pub(crate) struct TokenRow {
    pub(crate) token: Token,
    pub(crate) hash: SecretHash,
    /// The secret before the last rotation, and until when it is valid.
    pub(crate) previous: Option<(SecretHash, Timestamp)>,
}

impl TokenRow {
    /// Whether this is the token, at this time.
    pub(crate) fn accepts(&self, presented: &BearerToken, now: Timestamp) -> bool {
        let hash = presented.hash();
        let previous = self
            .previous
            .is_some_and(|(previous, until)| now < until && previous.matches(&hash));
        !self.token.is_expired(now) && (self.hash.matches(&hash) || previous)
    }
}

/// The rows of all tokens.
#[async_trait]
pub(crate) trait TokenTable: Debug + Send + Sync + 'static {
    /// The time by which tokens expire.
    fn now(&self) -> Timestamp;

    /// Adds a row, unless there are `limit` already; then says how many. Removes those that expired before `forget_before`.
    async fn insert(
        &self,
        row: TokenRow,
        limit: usize,
        forget_before: Timestamp,
    ) -> Result<Option<usize>>;

    async fn find(&self, id: &TokenId) -> Result<Option<TokenRow>>;

    /// Those that were made first come first.
    async fn list(&self) -> Result<Vec<TokenRow>>;

    /// Replaces the secret; whether there is such a token. Before `previous_until` the present secret stays valid.
    async fn replace(
        &self,
        id: &TokenId,
        hash: SecretHash,
        previous_until: Option<Timestamp>,
    ) -> Result<bool>;

    /// Removes a row; whether it was there.
    async fn remove(&self, id: &TokenId) -> Result<bool>;
}
