//! Access tokens, in a table of their own.

use async_trait::async_trait;
use diesel::prelude::*;
use kverse_core::{Result, Timestamp};

use super::SqliteStore;
use crate::tokens::row::access_token::dsl::{
    access_token, created_at, expires_at, id as id_column, previous_hash, previous_until,
    secret_hash,
};
use crate::tokens::row::{Columns, to_i64};
use crate::tokens::table::{TokenRow, TokenTable};
use crate::tokens::{SecretHash, TokenId};

#[async_trait]
impl TokenTable for SqliteStore {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn insert(
        &self,
        row: TokenRow,
        limit: usize,
        forget_before: Timestamp,
    ) -> Result<Option<usize>> {
        let columns = Columns::try_from(row)?;
        let insert = move |writer: &mut super::writer::Writer| {
            let connection = writer.connection();
            diesel::delete(access_token.filter(expires_at.le(to_i64(forget_before))))
                .execute(connection)?;
            let count: i64 = access_token.count().get_result(connection)?;
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            if count >= limit {
                return Ok(Some(count));
            }
            diesel::insert_into(access_token)
                .values(columns)
                .execute(connection)?;
            Ok(None)
        };
        self.queue.call(insert).await
    }

    async fn find(&self, id: &TokenId) -> Result<Option<TokenRow>> {
        let id = id.as_str().to_owned();
        let find = move |connection: &mut SqliteConnection| {
            let found = access_token
                .find(id)
                .get_result::<Columns>(connection)
                .optional()?;
            Ok(found)
        };
        let found = self.readers.run(&self.queue, find).await?;
        found.map(TokenRow::try_from).transpose()
    }

    async fn list(&self) -> Result<Vec<TokenRow>> {
        let list = |connection: &mut SqliteConnection| {
            let rows = access_token
                .order((created_at, id_column))
                .load::<Columns>(connection)?;
            Ok(rows)
        };
        let rows = self.readers.run(&self.queue, list).await?;
        rows.into_iter().map(TokenRow::try_from).collect()
    }

    async fn replace(
        &self,
        id: &TokenId,
        hash: SecretHash,
        until: Option<Timestamp>,
    ) -> Result<bool> {
        let id = id.as_str().to_owned();
        let replace = move |writer: &mut super::writer::Writer| {
            let connection = writer.connection();
            let row = access_token.find(id);
            let hash = hash.as_bytes().as_slice();
            // The right sides are what the row was before.
            let replaced = match until {
                Some(until) => diesel::update(row)
                    .set((
                        previous_hash.eq(secret_hash.nullable()),
                        previous_until.eq(Some(to_i64(until))),
                        secret_hash.eq(hash),
                    ))
                    .execute(connection)?,
                None => diesel::update(row)
                    .set((
                        previous_hash.eq(None::<Vec<u8>>),
                        previous_until.eq(None::<i64>),
                        secret_hash.eq(hash),
                    ))
                    .execute(connection)?,
            };
            Ok(replaced > 0)
        };
        self.queue.call(replace).await
    }

    async fn remove(&self, id: &TokenId) -> Result<bool> {
        let id = id.as_str().to_owned();
        let remove = move |writer: &mut super::writer::Writer| {
            let removed = diesel::delete(access_token.find(id)).execute(writer.connection())?;
            Ok(removed > 0)
        };
        self.queue.call(remove).await
    }
}
