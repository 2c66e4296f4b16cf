//! Pages of keys, and how many there are.

use diesel_async::RunQueryDsl;
use kverse_core::{Count, Key, KeyRange, Page, PageBuilder, ScanOptions};

use super::error::PostgresError;
use super::pool::Connections;
use super::rows::{Listed, to_i64, to_key, to_scanned, to_u64};
use super::statements::{CountKeys, ListKeys, ListValues};

/// How many rows are asked for where folders are folded: few, because of a folder only the first row counts.
const FEW_ROWS: usize = 8;

/// How many rows are asked for at most where there are only gaps.
const MANY_ROWS: usize = 1000;

/// A page, in as many statements as it takes: one, unless there are folders to skip or many deleted keys to pass.
pub(super) async fn page(
    connections: &Connections,
    options: &ScanOptions,
) -> Result<Page, PostgresError> {
    let mut page = PageBuilder::new(options);
    let mut lease = connections.lease().await?;
    let mut limit = match options.delimiter {
        Some(_) => FEW_ROWS,
        // One more than the page has, to see whether there is more.
        None => options.limit + 1,
    };
    while let Some(range) = page.rest() {
        let before = end(&range);
        let (from, rows) = (range.from.as_str(), to_i64(limit as u64));
        let found = if options.include_values {
            let bytes = to_i64(page.free_bytes() as u64);
            let list = ListValues::new(bytes, from, &before, rows);
            connections.answer(list.load::<Listed>(&mut lease)).await?
        } else {
            let list = ListKeys::new(from, &before, rows);
            connections.answer(list.load::<Listed>(&mut lease)).await?
        };
        let free = page.free();
        page.fill(found.into_iter().map(to_scanned), limit)?;
        limit = match free - page.free() {
            // Deleted keys, and there may be many more.
            0 => (limit * 2).min(MANY_ROWS),
            // It ended in a folder, and the next row may be of another one.
            used if used < limit && options.delimiter.is_some() => (limit / 2).max(FEW_ROWS),
            _ => (limit * 2).min(page.free() + 1).max(FEW_ROWS),
        };
    }
    lease.keep();
    Ok(page.finish())
}

/// How many keys a range has, as far as a count goes.
pub(super) async fn count(
    connections: &Connections,
    range: &KeyRange,
) -> Result<Count, PostgresError> {
    let before = end(range);
    let count = CountKeys::new(&range.from, &before, to_i64(Count::MAX_ROWS as u64));
    let mut lease = connections.lease().await?;
    let count = count.get_result::<(i64, i64, Option<String>)>(&mut lease);
    let (live, passed, last) = connections.answer(count).await?;
    lease.keep();
    let more = to_u64(passed)? >= Count::MAX_ROWS as u64;
    let next = last.filter(|_| more).map(to_key).transpose()?;
    Ok(Count::new(to_u64(live)?, next))
}

/// The end of a range that has none is greater than every key: one character more than the longest key of the last
/// character.
fn end(range: &KeyRange) -> String {
    let last = || char::MAX.to_string().repeat(Key::MAX_BYTES / 4 + 1);
    range.before.clone().unwrap_or_else(last)
}
