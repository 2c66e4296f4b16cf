//! The feed of changes: one row for each commit.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use diesel::sqlite::SqliteConnection;
use kverse_core::{
    ChangePage, ChangePosition, ChangesOptions, Error, Key, Result, Timestamp, Version,
};

use super::error::SqliteError;
use super::rows::to_i64;
use crate::feed::{Commit, Excerpt, KEPT_COMMITS, Record, budget, corrupt, from_letter, letter};

diesel::table! {
    change (number) {
        number -> BigInt,
        told_at -> BigInt,
        records -> Binary,
    }
}

diesel::table! {
    feed (id) {
        id -> BigInt,
        identity -> BigInt,
        enabled -> Bool,
        kept -> BigInt,
    }
}

/// The writer's side.
pub(super) struct Feed {
    retention: Duration,
    /// The number of the next commit.
    next: i64,
}

impl Feed {
    /// Finds out whether the feed is kept, and sees to it. One that was not kept for a while is begun anew.
    ///
    /// `retention` is zero for no, and `None` for those who do as was done before.
    pub(super) fn adopt(
        connection: &mut SqliteConnection,
        retention: Option<Duration>,
    ) -> Result<Option<Self>, SqliteError> {
        let was_kept: bool = feed::table.select(feed::enabled).first(connection)?;
        let wanted = retention.map_or(was_kept, |retention| !retention.is_zero());
        let kept: i64 = feed::table.select(feed::kept).first(connection)?;
        let last: Option<i64> = change::table
            .select(diesel::dsl::max(change::number))
            .first(connection)?;
        let next = last.map_or(kept, |last| kept.max(last + 1));
        if wanted != was_kept {
            connection.transaction(|connection| {
                diesel::delete(change::table).execute(connection)?;
                // Another identity: positions of before are not of this feed.
                diesel::sql_query(
                    "UPDATE feed SET identity = random() & 9007199254740991, enabled = ?1, kept = ?2",
                )
                .bind::<Bool, _>(wanted)
                .bind::<BigInt, _>(next)
                .execute(connection)
            })?;
        }
        Ok(wanted.then_some(Self {
            retention: retention.unwrap_or(crate::feed::DEFAULT_RETENTION),
            next,
        }))
    }

    /// Adds a commit to the SQL transaction; it counts once that is committed: see [`committed`](Self::committed).
    pub(super) fn add(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
        records: &[Record],
    ) -> QueryResult<()> {
        diesel::insert_into(change::table)
            .values((
                change::number.eq(self.next),
                change::told_at.eq(to_i64(now.as_micros())),
                change::records.eq(encode(records)),
            ))
            .execute(connection)?;
        Ok(())
    }

    /// The commit that was added is there.
    pub(super) fn committed(&mut self) {
        self.next += 1;
    }

    /// Removes up to `limit` commits that are too old, or of which too many followed; how many.
    pub(super) fn compact(
        &self,
        connection: &mut SqliteConnection,
        now: Timestamp,
        limit: i64,
    ) -> QueryResult<usize> {
        let first: Vec<(i64, i64)> = change::table
            .select((change::number, change::told_at))
            .order(change::number)
            .limit(limit)
            .load(connection)?;
        let kept_since = to_i64(now.saturating_sub(self.retention).as_micros());
        let too_old = |(number, told_at): &&(i64, i64)| {
            *told_at < kept_since || *number < self.next - KEPT_COMMITS
        };
        let Some((last, _)) = first.iter().rev().find(too_old) else {
            return Ok(0);
        };
        self.remove_until(connection, *last)
    }

    /// Removes all commits; how many.
    pub(super) fn clear(&self, connection: &mut SqliteConnection) -> QueryResult<usize> {
        self.remove_until(connection, self.next - 1)
    }

    fn remove_until(&self, connection: &mut SqliteConnection, last: i64) -> QueryResult<usize> {
        diesel::update(feed::table)
            .set(feed::kept.eq(last + 1))
            .execute(connection)?;
        diesel::delete(change::table.filter(change::number.le(last))).execute(connection)
    }
}

/// A page of changes.
pub(super) fn load_changes(
    connection: &mut SqliteConnection,
    options: &ChangesOptions,
) -> Result<ChangePage, SqliteError> {
    // A transaction is a snapshot: what is kept, and the changes, at one time.
    connection.transaction(|connection| {
        let (identity, enabled, kept): (i64, bool, i64) = feed::table
            .select((feed::identity, feed::enabled, feed::kept))
            .first(connection)?;
        if !enabled {
            return Err(Error::no_changes().into());
        }
        let last: Option<i64> = change::table
            .select(diesel::dsl::max(change::number))
            .first(connection)?;
        let end = last.map_or(kept, |last| last + 1);
        let feed = to_u64(identity)?;
        // As the last change that was removed left it.
        let kept = ChangePosition::new(feed, to_u64(kept - 1)?, 1, 0);
        let end = ChangePosition::new(feed, to_u64(end)?, 0, 0);
        let Some(since) = options.since else {
            return Ok(ChangePage::empty(end));
        };
        // Changes of the first commit that were read before do not count.
        let mut budget = budget(options).saturating_add(since.index() as usize);
        // After the last change of a commit stands the second place of its number.
        let from = since
            .order()
            .saturating_add(u64::from(since.sequence() > 0));
        let (mut commits, mut more) = (Vec::new(), false);
        let rows = change::table
            .filter(change::number.ge(to_i64(from)))
            .order(change::number)
            .select((change::number, change::records))
            .load_iter::<(i64, Vec<u8>), diesel::connection::DefaultLoadingMode>(connection)?;
        for row in rows {
            if budget == 0 {
                more = true;
                break;
            }
            let (number, records) = row?;
            let changes = decode(&records)?;
            budget = budget.saturating_sub(changes.len());
            commits.push(Commit {
                order: to_u64(number)?,
                sequence: 0,
                changes,
            });
        }
        let excerpt = Excerpt {
            kept,
            end,
            commits,
            more,
        };
        Ok(excerpt.page(since, options)?)
    })
}

fn to_u64(number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|error| corrupt().with_source(error))
}

/// For each change: the letter of its kind, the version, the length of the key, the key.
fn encode(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(records.iter().map(|record| 11 + record.0.len()).sum());
    for (key, version, kind) in records {
        bytes.push(letter(*kind) as u8);
        bytes.extend_from_slice(&version.get().to_be_bytes());
        // A key has at most 1024 bytes.
        bytes.extend_from_slice(&(key.len() as u16).to_be_bytes());
        bytes.extend_from_slice(key.as_str().as_bytes());
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    while let Some((letter, rest)) = bytes.split_first() {
        let (version, rest) = rest.split_first_chunk().ok_or_else(corrupt)?;
        let (length, rest) = rest.split_first_chunk().ok_or_else(corrupt)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (key, rest) = rest.split_at_checked(length).ok_or_else(corrupt)?;
        let key = std::str::from_utf8(key).map_err(|error| corrupt().with_source(error))?;
        let key = Key::new(key).map_err(|error| corrupt().with_source(error))?;
        let version = Version::new(u64::from_be_bytes(*version));
        records.push((key, version, from_letter(*letter)?));
        bytes = rest;
    }
    if records.is_empty() {
        return Err(corrupt());
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use kverse_core::ChangeKind;

    use super::*;

    #[test]
    fn records_come_back_and_broken_ones_do_not() {
        let records = vec![
            ("k".parse().unwrap(), Version::new(7), ChangeKind::Put),
            (
                "ö".repeat(512).parse().unwrap(),
                Version::NONE,
                ChangeKind::Expire,
            ),
        ];
        let bytes = encode(&records);
        assert_eq!(decode(&bytes).unwrap(), records);
        for length in (0..bytes.len()).filter(|length| *length != 12) {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes");
        }
    }
}
