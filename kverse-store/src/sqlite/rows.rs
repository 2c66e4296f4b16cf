//! Rows as SQLite keeps them, and what they are in Rust.

use bytes::Bytes;
use diesel::prelude::*;
use kverse_core::row::Row;
use kverse_core::{
    ContentType, Entry, Error, Key, Result, ScanEntry, ScannedRow, Timestamp, Version, WriteId,
};

use super::error::corrupt;

diesel::table! {
    kv (key) {
        key -> Text,
        value -> Nullable<Binary>,
        content_type -> Nullable<Text>,
        version -> BigInt,
        expires_at -> Nullable<BigInt>,
        write_id -> Binary,
        existed -> Integer,
    }
}

/// What a write found in the place of its row: the column `existed`. A put in one statement tells an expired entry from
/// none, because the number of rows with a value follows from it; elsewhere an expired entry counts as nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replaced {
    Nothing = 0,
    Entry = 1,
}

/// Microseconds as SQLite's signed integers; versions and times are far below their end.
pub(super) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn to_u64(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|error| corrupt("number").with_source(error))
}

pub(super) fn to_version(number: i64) -> Result<Version> {
    to_u64(number).map(Version::new)
}

pub(super) fn to_timestamp(micros: Option<i64>) -> Result<Option<Timestamp>> {
    micros
        .map(|micros| to_u64(micros).map(Timestamp::from_micros))
        .transpose()
}

fn to_content_type(text: Option<String>) -> Result<Option<ContentType>> {
    let corrupt = |error: Error| corrupt("content type").with_source(error);
    text.map(|text| ContentType::new(text).map_err(corrupt))
        .transpose()
}

/// A whole row but its key.
#[derive(Queryable)]
pub(super) struct StoredRow {
    value: Option<Vec<u8>>,
    content_type: Option<String>,
    version: i64,
    expires_at: Option<i64>,
    write_id: Vec<u8>,
    existed: i32,
}

impl TryFrom<StoredRow> for Row {
    type Error = Error;

    fn try_from(row: StoredRow) -> Result<Self> {
        let write_id = row
            .write_id
            .try_into()
            .map_err(|_other_length: Vec<u8>| corrupt("write id"))?;
        Ok(Self {
            version: to_version(row.version)?,
            value: row.value.map(Bytes::from),
            content_type: to_content_type(row.content_type)?,
            expires_at: to_timestamp(row.expires_at)?,
            write_id: WriteId::from_bytes(write_id),
            existed: row.existed == Replaced::Entry as i32,
        })
    }
}

/// What a read needs of a row.
#[derive(Queryable)]
pub(super) struct StoredEntry {
    value: Option<Vec<u8>>,
    content_type: Option<String>,
    version: i64,
    expires_at: Option<i64>,
}

impl StoredEntry {
    /// The entry, unless the row is a tombstone or has expired.
    pub(super) fn into_entry(self, now: Timestamp) -> Result<Option<Entry>> {
        let Some(value) = self.value else {
            return Ok(None);
        };
        let entry = Entry::new(value, to_version(self.version)?)
            .with_content_type(to_content_type(self.content_type)?)
            .with_expires_at(to_timestamp(self.expires_at)?);
        Ok(Some(entry).filter(|entry| !entry.is_expired(now)))
    }
}

/// What a scan needs of a row, with the value or without.
#[derive(Queryable)]
pub(super) struct Listed {
    key: String,
    version: i64,
    /// `None`: a tombstone.
    size: Option<i64>,
    content_type: Option<String>,
    expires_at: Option<i64>,
    value: Option<Vec<u8>>,
}

impl Listed {
    pub(super) fn into_scanned(self, now: Timestamp) -> Result<ScannedRow> {
        let key = to_key(self.key)?;
        let expires_at = to_timestamp(self.expires_at)?;
        let Some(size) = self.size else {
            return Ok(ScannedRow::Gone(key));
        };
        if expires_at.is_some_and(|at| at <= now) {
            return Ok(ScannedRow::Gone(key));
        }
        let mut entry = ScanEntry::new(key, to_version(self.version)?, to_u64(size)?);
        entry.content_type = to_content_type(self.content_type)?;
        entry.expires_at = expires_at;
        entry.value = self.value.map(Bytes::from);
        Ok(ScannedRow::Entry(entry))
    }
}

pub(super) fn to_key(key: String) -> Result<Key> {
    Key::new(key).map_err(|error| corrupt("key").with_source(error))
}

/// A row to store.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = kv)]
#[diesel(treat_none_as_null = true)]
#[diesel(treat_none_as_default_value = false)]
pub(super) struct NewRow<'a> {
    key: &'a str,
    value: Option<&'a [u8]>,
    content_type: Option<&'a str>,
    version: i64,
    expires_at: Option<i64>,
    write_id: &'a [u8],
    existed: i32,
}

impl<'a> NewRow<'a> {
    pub(super) fn new(key: &'a Key, row: &'a Row) -> Self {
        Self {
            key: key.as_str(),
            value: row.value.as_deref(),
            content_type: row.content_type.as_ref().map(ContentType::as_str),
            version: to_i64(row.version.get()),
            expires_at: row.expires_at.map(|at| to_i64(at.as_micros())),
            write_id: row.write_id.as_bytes(),
            existed: i32::from(row.existed),
        }
    }
}
