//! The SQL. Statements on the hot paths have a text that never changes, so that diesel prepares each once a connection.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteConnection};
use kverse_core::row::Row;
use kverse_core::{
    ContentType, Count, Entry, Key, KeyRange, Page, PageBuilder, Result, ScanOptions, Timestamp,
};

use super::error::SqliteError;
use super::rows::{Listed, NewRow, StoredEntry, StoredRow, kv, to_i64, to_key, to_u64};

diesel::define_sql_function! {
    /// The bytes of a value, which SQLite knows without reading it.
    fn length(value: Nullable<Binary>) -> Nullable<BigInt>;
}

/// An unconditional put in one statement. It does what [`kverse_core::row::apply`] says.
///
/// Gives no row if the write was done before. diesel's own `on_conflict` is not used because diesel does not cache the
/// prepared statement of it, nor of `sql_query`.
pub(super) struct Put<'a> {
    pub(super) key: &'a str,
    pub(super) value: &'a [u8],
    pub(super) content_type: Option<&'a str>,
    /// The version if the key is new.
    pub(super) version: i64,
    pub(super) expires_at: Option<i64>,
    pub(super) write_id: &'a [u8],
    pub(super) now: i64,
}

impl QueryFragment<Sqlite> for Put<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO kv (existed, key, value, content_type, version, expires_at, write_id) VALUES (0, ",
        );
        out.push_bind_param::<Text, _>(self.key)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(self.value)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.content_type)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.version)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.expires_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(self.write_id)?;
        out.push_sql(
            ") ON CONFLICT (key) DO UPDATE SET \
             existed = CASE WHEN kv.value IS NULL THEN 0 WHEN kv.expires_at <= ",
        );
        out.push_bind_param::<BigInt, _>(&self.now)?;
        out.push_sql(
            " THEN 2 ELSE 1 END, \
             value = excluded.value, \
             content_type = excluded.content_type, \
             version = max(kv.version + 1, excluded.version), \
             expires_at = excluded.expires_at, \
             write_id = excluded.write_id \
             WHERE kv.write_id IS NOT excluded.write_id \
             RETURNING version, existed",
        );
        Ok(())
    }
}

impl QueryId for Put<'_> {
    type QueryId = Put<'static>;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Put<'_> {
    type SqlType = (BigInt, Integer);
}

impl RunQueryDsl<SqliteConnection> for Put<'_> {}

impl Put<'_> {
    /// The new version of the key and what was replaced; `None` if the write was done before.
    pub(super) fn run(self, connection: &mut SqliteConnection) -> QueryResult<Option<(i64, i32)>> {
        self.get_result(connection).optional()
    }
}

/// The row of a key.
pub(super) fn load_row(
    connection: &mut SqliteConnection,
    key: &Key,
) -> Result<Option<Row>, SqliteError> {
    let row: Option<StoredRow> = kv::table
        .find(key.as_str())
        .select((
            kv::value,
            kv::content_type,
            kv::version,
            kv::expires_at,
            kv::write_id,
            kv::existed,
        ))
        .first(connection)
        .optional()?;
    Ok(row.map(Row::try_from).transpose()?)
}

/// Stores a row in the place of `previous`.
pub(super) fn store_row(
    connection: &mut SqliteConnection,
    key: &Key,
    previous: Option<&Row>,
    row: &Row,
) -> QueryResult<()> {
    let new = NewRow::new(key, row);
    if previous.is_some() {
        diesel::update(kv::table.find(key.as_str()))
            .set(new)
            .execute(connection)?;
    } else {
        diesel::insert_into(kv::table)
            .values(new)
            .execute(connection)?;
    }
    Ok(())
}

/// The entry of a key.
pub(super) fn load_entry(
    connection: &mut SqliteConnection,
    key: &Key,
    now: Timestamp,
) -> Result<Option<Entry>, SqliteError> {
    let row: Option<StoredEntry> = kv::table
        .find(key.as_str())
        .select((kv::value, kv::content_type, kv::version, kv::expires_at))
        .first(connection)
        .optional()?;
    match row {
        Some(row) => Ok(row.into_entry(now)?),
        None => Ok(None),
    }
}

/// A page of keys. Reads row by row and no further than the page goes; a folder is left for the row after it.
pub(super) fn load_page(
    connection: &mut SqliteConnection,
    options: &ScanOptions,
    now: Timestamp,
) -> Result<Page, SqliteError> {
    let mut page = PageBuilder::new(options);
    while let Some(range) = page.rest() {
        let mut rows = kv::table
            .filter(kv::key.ge(range.from))
            .order(kv::key)
            .into_boxed();
        if let Some(before) = range.before {
            rows = rows.filter(kv::key.lt(before));
        }
        let scanned = |row: QueryResult<Listed>| Ok::<_, SqliteError>(row?.into_scanned(now)?);
        let columns = (
            kv::key,
            kv::version,
            length(kv::value),
            kv::content_type,
            kv::expires_at,
        );
        let (key, version, size, content_type, expires_at) = columns;
        if options.include_values {
            let columns = (key, version, size, content_type, expires_at, kv::value);
            let rows = rows.select(columns).load_iter::<Listed, _>(connection)?;
            page.fill(rows.map(scanned), usize::MAX)?;
        } else {
            let none = None::<Vec<u8>>.into_sql::<Nullable<Binary>>();
            let columns = (key, version, size, content_type, expires_at, none);
            let rows = rows.select(columns).load_iter::<Listed, _>(connection)?;
            page.fill(rows.map(scanned), usize::MAX)?;
        }
    }
    Ok(page.finish())
}

/// What [`count_keys`] counts.
#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = BigInt)]
    live: i64,
    #[diesel(sql_type = BigInt)]
    passed: i64,
    #[diesel(sql_type = Nullable<Text>)]
    last: Option<String>,
}

/// Counts the keys of a range, of as many rows as a count may go through. Reads no values.
pub(super) fn count_keys(
    connection: &mut SqliteConnection,
    range: &KeyRange,
    now: Timestamp,
) -> Result<Count, SqliteError> {
    let counted: Counted = diesel::sql_query(
        "SELECT coalesce(sum(live), 0) AS live, count(*) AS passed, max(key) AS last FROM (\
         SELECT key, value IS NOT NULL AND (expires_at IS NULL OR expires_at > ?1) AS live FROM kv \
         WHERE key >= ?2 AND (?3 IS NULL OR key < ?3) ORDER BY key LIMIT ?4)",
    )
    .bind::<BigInt, _>(to_i64(now.as_micros()))
    .bind::<Text, _>(&range.from)
    .bind::<Nullable<Text>, _>(range.before.as_deref())
    .bind::<BigInt, _>(to_i64(Count::MAX_ROWS as u64))
    .get_result(connection)?;
    let more = to_u64(counted.passed)? >= Count::MAX_ROWS as u64;
    let next = counted.last.filter(|_| more).map(to_key).transpose()?;
    Ok(Count::new(to_u64(counted.live)?, next))
}

/// How many rows hold a value, expired or not. Counts over indexes, without reading values.
pub(super) fn count_values(connection: &mut SqliteConnection) -> QueryResult<i64> {
    let rows: i64 = kv::table.count().get_result(connection)?;
    let tombstones: i64 = kv::table
        .filter(kv::value.is_null())
        .count()
        .get_result(connection)?;
    Ok(rows - tombstones)
}

/// How many rows hold a value that has expired.
pub(super) fn count_expired(connection: &mut SqliteConnection, now: Timestamp) -> QueryResult<i64> {
    kv::table
        .filter(kv::expires_at.le(to_i64(now.as_micros())))
        .count()
        .get_result(connection)
}

/// A row that has become a tombstone.
#[derive(QueryableByName)]
pub(super) struct Buried {
    #[diesel(sql_type = Text)]
    pub(super) key: String,
    #[diesel(sql_type = BigInt)]
    pub(super) version: i64,
}

/// Turns up to `limit` expired rows into tombstones, as [`Row::tombstone`] says.
pub(super) fn bury_expired(
    connection: &mut SqliteConnection,
    now: Timestamp,
    limit: i64,
) -> QueryResult<Vec<Buried>> {
    diesel::sql_query(
        "UPDATE kv SET value = NULL, content_type = NULL, version = max(version + 1, ?1), \
         expires_at = NULL, write_id = randomblob(16), existed = 1 \
         WHERE rowid IN (SELECT rowid FROM kv WHERE expires_at <= ?1 LIMIT ?2) RETURNING key, version",
    )
    .bind::<BigInt, _>(to_i64(now.as_micros()))
    .bind::<BigInt, _>(limit)
    .load(connection)
}

/// Whether there are expired rows to bury.
pub(super) fn has_expired(connection: &mut SqliteConnection, now: Timestamp) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(
        kv::table.filter(kv::expires_at.le(to_i64(now.as_micros()))),
    ))
    .get_result(connection)
}

/// Removes up to `limit` tombstones that are older than `kept_since`; how many.
pub(super) fn remove_tombstones(
    connection: &mut SqliteConnection,
    kept_since: Timestamp,
    limit: i64,
) -> QueryResult<usize> {
    diesel::sql_query(
        "DELETE FROM kv WHERE rowid IN \
         (SELECT rowid FROM kv WHERE value IS NULL AND version < ?1 LIMIT ?2)",
    )
    .bind::<BigInt, _>(to_i64(kept_since.as_micros()))
    .bind::<BigInt, _>(limit)
    .execute(connection)
}

/// A write that shows that writes work.
pub(super) fn probe(connection: &mut SqliteConnection, now: Timestamp) -> QueryResult<()> {
    diesel::sql_query(
        "INSERT INTO meta (name, value) VALUES ('probed_at', ?1) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind::<BigInt, _>(to_i64(now.as_micros()))
    .execute(connection)?;
    Ok(())
}

/// The content type as SQL takes it.
pub(super) fn content_type_text(content_type: &Option<ContentType>) -> Option<&str> {
    content_type.as_ref().map(ContentType::as_str)
}
