use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kverse_core::{Error, ErrorKind, Result};

use super::table::{TokenRow, TokenTable};
use super::{BearerToken, IssuedToken, MAX_TOKENS, NewToken, Token, TokenId, TokenStore};

/// How long an expired token stays listed, if there is room.
const KEEP_EXPIRED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Tokens in a table.
#[derive(Debug)]
pub(crate) struct StoredTokens {
    table: Arc<dyn TokenTable>,
}

impl StoredTokens {
    pub(crate) fn new(table: Arc<dyn TokenTable>) -> Self {
        Self { table }
    }
}

#[async_trait]
impl TokenStore for StoredTokens {
    async fn create(&self, new: NewToken) -> Result<IssuedToken> {
        let now = self.table.now();
        let token = Token {
            id: TokenId::random(),
            name: new.name,
            scopes: new.scopes,
            created_at: now,
            expires_at: new.ttl.map(|ttl| now.saturating_add(ttl)),
        };
        let secret = BearerToken::random(token.id.clone());
        let row = TokenRow {
            token: token.clone(),
            hash: secret.hash(),
            previous: None,
        };
        let forget_before = now.saturating_sub(KEEP_EXPIRED);
        match self.table.insert(row, MAX_TOKENS, forget_before).await? {
            None => Ok(IssuedToken::new(token, secret)),
            Some(count) => {
                let message = format!(
                    "there are {count} tokens, the limit is {MAX_TOKENS}: revoke those that are not needed"
                );
                Err(Error::new(ErrorKind::TooLarge, message)
                    .with_limit(MAX_TOKENS as u64, count as u64))
            }
        }
    }

    async fn list(&self) -> Result<Vec<Token>> {
        let rows = self.table.list().await?;
        Ok(rows.into_iter().map(|row| row.token).collect())
    }

    async fn revoke(&self, id: &TokenId) -> Result<bool> {
        self.table.remove(id).await
    }

    async fn rotate(&self, id: &TokenId, overlap: Duration) -> Result<Option<IssuedToken>> {
        let secret = BearerToken::random(id.clone());
        let overlap = overlap.min(NewToken::MAX_TTL);
        let previous_until = (!overlap.is_zero()).then(|| self.table.now().saturating_add(overlap));
        if !self
            .table
            .replace(id, secret.hash(), previous_until)
            .await?
        {
            return Ok(None);
        }
        let row = self.table.find(id).await?;
        Ok(row.map(|row| IssuedToken::new(row.token, secret)))
    }

    async fn verify(&self, presented: &BearerToken) -> Result<Option<Token>> {
        let row = self.table.find(presented.id()).await?;
        let row = row.filter(|row| row.accepts(presented, self.table.now()));
        Ok(row.map(|row| row.token))
    }
}
