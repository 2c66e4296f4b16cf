//! The row of a token as databases keep it.

use diesel::prelude::*;
use kverse_core::{Error, ErrorKind, Result, Timestamp};

use super::table::TokenRow;
use super::{SecretHash, Token};

diesel::table! {
    access_token (id) {
        id -> Text,
        name -> Text,
        scopes -> Text,
        secret_hash -> Binary,
        previous_hash -> Nullable<Binary>,
        previous_until -> Nullable<BigInt>,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
    }
}

/// The columns.
#[derive(Debug, Insertable, Queryable)]
#[diesel(table_name = access_token)]
pub(crate) struct Columns {
    id: String,
    name: String,
    scopes: String,
    secret_hash: Vec<u8>,
    previous_hash: Option<Vec<u8>>,
    previous_until: Option<i64>,
    created_at: i64,
    expires_at: Option<i64>,
}

pub(crate) fn to_i64(at: Timestamp) -> i64 {
    i64::try_from(at.as_micros()).unwrap_or(i64::MAX)
}

fn corrupt(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let message = "a stored token is not one that could have been written";
    Error::new(ErrorKind::Corrupt, message).with_source(cause)
}

fn to_timestamp(micros: i64) -> Result<Timestamp> {
    let micros = u64::try_from(micros).map_err(corrupt)?;
    Ok(Timestamp::from_micros(micros))
}

fn to_hash(bytes: &[u8]) -> Result<SecretHash> {
    Ok(SecretHash::from_bytes(bytes.try_into().map_err(corrupt)?))
}

impl TryFrom<TokenRow> for Columns {
    type Error = Error;

    fn try_from(row: TokenRow) -> Result<Self> {
        let TokenRow {
            token,
            hash,
            previous,
        } = row;
        let scopes = serde_json::to_string(&token.scopes).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write the scopes").with_source(error)
        })?;
        let (previous_hash, previous_until) = previous.unzip();
        Ok(Self {
            id: token.id.into(),
            name: token.name,
            scopes,
            secret_hash: hash.as_bytes().to_vec(),
            previous_hash: previous_hash.map(|hash: SecretHash| hash.as_bytes().to_vec()),
            previous_until: previous_until.map(to_i64),
            created_at: to_i64(token.created_at),
            expires_at: token.expires_at.map(to_i64),
        })
    }
}

impl TryFrom<Columns> for TokenRow {
    type Error = Error;

    fn try_from(columns: Columns) -> Result<Self> {
        let previous = columns.previous_hash.as_deref().zip(columns.previous_until);
        let previous = previous
            .map(|(hash, until)| Ok::<_, Error>((to_hash(hash)?, to_timestamp(until)?)))
            .transpose()?;
        Ok(Self {
            token: Token {
                id: columns.id.try_into()?,
                name: columns.name,
                scopes: serde_json::from_str(&columns.scopes).map_err(corrupt)?,
                created_at: to_timestamp(columns.created_at)?,
                expires_at: columns.expires_at.map(to_timestamp).transpose()?,
            },
            hash: to_hash(&columns.secret_hash)?,
            previous,
        })
    }
}
