//! Rows as PostgreSQL keeps them, and what they are in Rust.

use bytes::Bytes;
use kverse_core::row::Row;
use kverse_core::{
    ContentType, Entry, Error, Key, Result, ScanEntry, ScannedRow, Timestamp, Version, WriteId,
    WriteOutcome,
};

use super::error::corrupt;
use super::statements::{Columns, Told};
use crate::feed;

/// Microseconds as PostgreSQL's signed integers; versions and times are far below their end.
pub(super) fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn to_u64(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|error| corrupt("number").with_source(error))
}

pub(super) fn to_timestamp(micros: i64) -> Result<Timestamp> {
    to_u64(micros).map(Timestamp::from_micros)
}

fn to_expiry(micros: Option<i64>) -> Result<Option<Timestamp>> {
    micros.map(to_timestamp).transpose()
}

fn to_content_type(text: Option<String>) -> Result<Option<ContentType>> {
    let corrupt = |error: Error| corrupt("content type").with_source(error);
    text.map(|text| ContentType::new(text).map_err(corrupt))
        .transpose()
}

/// What [`Load`](super::statements::Load) returns.
pub(super) type StoredRow = (
    String,
    Option<Vec<u8>>,
    Option<String>,
    i64,
    Option<i64>,
    Vec<u8>,
    bool,
    i64,
);

/// The row, unless it was only made to be locked.
pub(super) fn to_row(row: StoredRow) -> Result<Option<Row>> {
    let (_, value, content_type, version, expires_at, write_id, existed, _) = row;
    let version = to_u64(version).map(Version::new)?;
    if version == Version::NONE {
        return Ok(None);
    }
    let write_id = write_id
        .try_into()
        .map_err(|_other_length: Vec<u8>| corrupt("write id"))?;
    Ok(Some(Row {
        version,
        value: value.map(Bytes::from),
        content_type: to_content_type(content_type)?,
        expires_at: to_expiry(expires_at)?,
        write_id: WriteId::from_bytes(write_id),
        existed,
    }))
}

/// What [`Get`](super::statements::Get) returns.
pub(super) type StoredEntry = (Option<Vec<u8>>, Option<String>, i64, Option<i64>);

pub(super) fn to_entry((value, content_type, version, expires_at): StoredEntry) -> Result<Entry> {
    let value = value.ok_or_else(|| corrupt("value"))?;
    Ok(Entry::new(value, to_u64(version).map(Version::new)?)
        .with_content_type(to_content_type(content_type)?)
        .with_expires_at(to_expiry(expires_at)?))
}

/// What the listings return.
pub(super) type Listed = (
    String,
    i64,
    Option<i64>,
    Option<String>,
    Option<i64>,
    Option<Vec<u8>>,
    bool,
);

pub(super) fn to_scanned(row: Listed) -> Result<ScannedRow> {
    let (key, version, size, content_type, expires_at, value, live) = row;
    let key = to_key(key)?;
    let Some(size) = size.filter(|_| live) else {
        return Ok(ScannedRow::Gone(key));
    };
    let mut entry = ScanEntry::new(key, to_u64(version).map(Version::new)?, to_u64(size)?);
    entry.content_type = to_content_type(content_type)?;
    entry.expires_at = to_expiry(expires_at)?;
    entry.value = value.map(Bytes::from);
    Ok(ScannedRow::Entry(entry))
}

pub(super) fn to_key(key: String) -> Result<Key> {
    Key::new(key).map_err(|error| corrupt("key").with_source(error))
}

pub(super) fn to_outcome(
    version: i64,
    existed: bool,
    expires_at: Option<i64>,
) -> Result<WriteOutcome> {
    let version = to_u64(version).map(Version::new)?;
    Ok(WriteOutcome::new(version, existed, to_expiry(expires_at)?))
}

impl<'a> Columns<'a> {
    pub(super) fn push(
        &mut self,
        key: &'a str,
        value: Option<&'a [u8]>,
        content_type: Option<&'a ContentType>,
        expires_at: Option<Timestamp>,
        write_id: &'a WriteId,
    ) {
        self.keys.push(key);
        self.values.push(value);
        self.content_types
            .push(content_type.map(ContentType::as_str));
        self.expires_at
            .push(expires_at.map(|at| to_i64(at.as_micros())));
        self.write_ids.push(write_id.as_bytes());
    }
}

impl<'a> Told<'a> {
    pub(super) fn push(&mut self, key: &'a str, row: &Row) {
        self.count += 1;
        self.keys.push(key);
        self.versions.push(to_i64(row.version.get()));
        self.kinds.push(feed::letter(row.change_kind()));
    }
}
