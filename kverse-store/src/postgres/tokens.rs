//! Access tokens, in a table of their own.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use kverse_core::{Clock, Error, Result, Timestamp};

use super::PostgresStore;
use super::error::PostgresError;
use crate::tokens::row::access_token::dsl::{
    access_token, created_at, expires_at, id as id_column, previous_hash, previous_until,
    secret_hash,
};
use crate::tokens::row::{Columns, to_i64};
use crate::tokens::table::{TokenRow, TokenTable};
use crate::tokens::{SecretHash, TokenId};

impl PostgresStore {
    async fn find_token(&self, id: &TokenId) -> Result<Option<Columns>, PostgresError> {
        let mut lease = self.connections().lease().await?;
        let find = access_token.find(id.as_str()).load::<Columns>(&mut *lease);
        let found = self.connections().answer(find).await?.pop();
        lease.keep();
        Ok(found)
    }

    async fn list_tokens(&self) -> Result<Vec<Columns>, PostgresError> {
        let mut lease = self.connections().lease().await?;
        let list = access_token
            .order((created_at, id_column))
            .load::<Columns>(&mut *lease);
        let rows = self.connections().answer(list).await?;
        lease.keep();
        Ok(rows)
    }

    async fn insert_token(
        &self,
        columns: Columns,
        limit: usize,
        forget_before: Timestamp,
    ) -> Result<Option<usize>, PostgresError> {
        let connections = self.connections();
        let mut lease = connections.lease_to_write().await?;
        let forget = diesel::delete(access_token.filter(expires_at.le(to_i64(forget_before))));
        let forget = async |connection: &mut _| forget.execute(connection).await;
        connections.commit(&mut lease, forget).await?;
        // Others may insert at the same time: the limit is there to bound the table, not to be exact.
        let count = access_token.count().get_result::<i64>(&mut *lease);
        let count = connections.answer(count).await?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if count < limit {
            let insert = diesel::insert_into(access_token).values(columns);
            let insert = async |connection: &mut _| insert.execute(connection).await;
            connections.commit(&mut lease, insert).await?;
        }
        lease.keep();
        Ok((count >= limit).then_some(count))
    }

    async fn replace_token(
        &self,
        id: &TokenId,
        hash: SecretHash,
        until: Option<Timestamp>,
    ) -> Result<bool, PostgresError> {
        let mut lease = self.connections().lease_to_write().await?;
        let row = access_token.find(id.as_str());
        let hash = hash.as_bytes().as_slice();
        // The right sides are what the row was before.
        let replaced = match until {
            Some(until) => {
                let replace = diesel::update(row).set((
                    previous_hash.eq(secret_hash.nullable()),
                    previous_until.eq(Some(to_i64(until))),
                    secret_hash.eq(hash),
                ));
                let replace = async |connection: &mut _| replace.execute(connection).await;
                self.connections().commit(&mut lease, replace).await
            }
            None => {
                let replace = diesel::update(row).set((
                    previous_hash.eq(None::<Vec<u8>>),
                    previous_until.eq(None::<i64>),
                    secret_hash.eq(hash),
                ));
                let replace = async |connection: &mut _| replace.execute(connection).await;
                self.connections().commit(&mut lease, replace).await
            }
        }?;
        lease.keep();
        Ok(replaced > 0)
    }

    async fn remove_token(&self, id: &TokenId) -> Result<bool, PostgresError> {
        let mut lease = self.connections().lease_to_write().await?;
        let remove = diesel::delete(access_token.find(id.as_str()));
        let remove = async |connection: &mut _| remove.execute(connection).await;
        let removed = self.connections().commit(&mut lease, remove).await?;
        lease.keep();
        Ok(removed > 0)
    }
}

#[async_trait]
impl TokenTable for PostgresStore {
    fn now(&self) -> Timestamp {
        self.connections().clock().now()
    }

    async fn insert(
        &self,
        row: TokenRow,
        limit: usize,
        forget_before: Timestamp,
    ) -> Result<Option<usize>> {
        let inserted = self.insert_token(row.try_into()?, limit, forget_before);
        inserted.await.map_err(Error::from)
    }

    async fn find(&self, id: &TokenId) -> Result<Option<TokenRow>> {
        let found = self.retried(|| self.find_token(id)).await?;
        found.map(TokenRow::try_from).transpose()
    }

    async fn list(&self) -> Result<Vec<TokenRow>> {
        let rows = self.retried(|| self.list_tokens()).await?;
        rows.into_iter().map(TokenRow::try_from).collect()
    }

    async fn replace(
        &self,
        id: &TokenId,
        hash: SecretHash,
        until: Option<Timestamp>,
    ) -> Result<bool> {
        let replaced = self.replace_token(id, hash, until).await;
        replaced.map_err(Error::from)
    }

    async fn remove(&self, id: &TokenId) -> Result<bool> {
        self.remove_token(id).await.map_err(Error::from)
    }
}
