use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use kverse_core::{Clock, Result, Timestamp};

use super::table::{TokenRow, TokenTable};
use super::{SecretHash, TokenId};

/// Tokens in memory, gone with the process.
#[derive(Debug)]
pub(crate) struct MemoryTokens {
    rows: Mutex<BTreeMap<TokenId, TokenRow>>,
    clock: Arc<dyn Clock>,
}

impl MemoryTokens {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            rows: Mutex::default(),
            clock,
        }
    }

    fn rows(&self) -> MutexGuard<'_, BTreeMap<TokenId, TokenRow>> {
        // No change leaves them half done.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TokenTable for MemoryTokens {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn insert(
        &self,
        row: TokenRow,
        limit: usize,
        forget_before: Timestamp,
    ) -> Result<Option<usize>> {
        let mut rows = self.rows();
        rows.retain(|_, row| !row.token.is_expired(forget_before));
        if rows.len() >= limit {
            return Ok(Some(rows.len()));
        }
        rows.insert(row.token.id.clone(), row);
        Ok(None)
    }

    async fn find(&self, id: &TokenId) -> Result<Option<TokenRow>> {
        Ok(self.rows().get(id).cloned())
    }

    async fn list(&self) -> Result<Vec<TokenRow>> {
        let mut rows: Vec<_> = self.rows().values().cloned().collect();
        rows.sort_by_key(|row| row.token.created_at);
        Ok(rows)
    }

    async fn replace(
        &self,
        id: &TokenId,
        hash: SecretHash,
        previous_until: Option<Timestamp>,
    ) -> Result<bool> {
        let mut rows = self.rows();
        let Some(row) = rows.get_mut(id) else {
            return Ok(false);
        };
        row.previous = previous_until.map(|until| (row.hash, until));
        row.hash = hash;
        Ok(true)
    }

    async fn remove(&self, id: &TokenId) -> Result<bool> {
        Ok(self.rows().remove(id).is_some())
    }
}
