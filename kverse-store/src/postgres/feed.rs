//! The feed of changes: who keeps it, and reading it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel_async::RunQueryDsl;
use kverse_core::{
    ChangeKind, ChangePage, ChangePosition, ChangesOptions, Error, Key, Result, Version,
};

use super::PostgresStore;
use super::error::PostgresError;
use super::identity;
use super::pool::Connections;
use super::rows::{to_i64, to_u64};
use super::statements::{KnowsTransactions, ReadChanges, ReadFeed, RemoveOldFeed, RenewFeed};
use crate::feed::{Commit, Excerpt, budget, corrupt, from_letter};

/// How many rows one step removes.
const STEP_ROWS: i64 = 1000;

/// How often those who read the feed look for entries that have expired.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(500);

/// What [`ReadChanges`] returns.
type Found = (
    i64,
    bool,
    i64,
    i64,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<Vec<String>>,
    Option<Vec<i64>>,
    Option<String>,
);

/// Finds out whether the feed is kept, and sees to it: all who write the database must. A feed that was not kept for a while,
/// or comes from another server, is begun anew.
///
/// `retention` is zero for no, and `None` for those who do as the others.
pub(super) async fn adopt(
    connections: &Connections,
    retention: Option<Duration>,
) -> Result<bool, PostgresError> {
    let store = identity::load(connections).await?;
    let mut lease = connections.lease().await?;
    let knows = KnowsTransactions::new().get_result::<bool>(&mut lease);
    let knows = connections.answer(knows).await?;
    if !knows {
        if retention.is_some_and(|retention| !retention.is_zero()) {
            tracing::warn!(
                "the database has no pg_current_xact_id (PostgreSQL has it since version 13): no feed of changes is kept"
            );
        }
        lease.keep();
        return Ok(false);
    }
    let read = ReadFeed::new(&store).get_result::<(bool, bool)>(&mut lease);
    let (is_own, is_kept) = connections.answer(read).await?;
    let wanted = retention.map_or(is_kept, |retention| !retention.is_zero());
    if !is_own || wanted != is_kept {
        let renew = RenewFeed::new(&store, wanted);
        let renew = async |connection: &mut _| renew.load::<i64>(connection).await;
        connections.commit(&mut lease, renew).await?;
        tracing::info!(kept = wanted, "the feed of changes begins anew");
        loop {
            let remove = RemoveOldFeed::new(STEP_ROWS).get_result::<i64>(&mut lease);
            if connections.answer(remove).await? < STEP_ROWS {
                break;
            }
        }
    }
    lease.keep();
    Ok(wanted)
}

/// When expired entries were last looked for.
#[derive(Debug, Default)]
pub(super) struct Looked(Mutex<Option<Instant>>);

impl Looked {
    /// Whether it is time to look again; then the caller does.
    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= EXPIRY_INTERVAL);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

impl PostgresStore {
    pub(super) async fn read_changes(&self, options: &ChangesOptions) -> Result<ChangePage> {
        options.check(&self.config.limits)?;
        if !self.writer.feed {
            return Err(Error::no_changes());
        }
        if self.looked.is_due()
            && let Err(error) = self.sweeper.bury().await
        {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "cannot look for expired entries"
            );
        }
        let excerpt = self.retried(|| self.load_changes(options)).await?;
        match options.since {
            Some(since) => excerpt.page(since, options),
            None => Ok(ChangePage::empty(excerpt.end)),
        }
    }

    async fn load_changes(&self, options: &ChangesOptions) -> Result<Excerpt, PostgresError> {
        // Without a position, no rows: only the state.
        let (place, sequence, budget) = match options.since {
            Some(since) => (since.order(), since.sequence(), budget(options)),
            None => (u64::MAX, 0, 0),
        };
        // What was read of the first commit before does not count.
        let read_before = options.since.map_or(0, |since| since.index() as usize);
        let budget = budget + read_before.min(self.config.limits.max_batch_operations);
        let rows = to_i64(budget as u64);
        let mut lease = self.connections().lease().await?;
        let read = ReadChanges::new(to_i64(place), to_i64(sequence), rows, rows);
        let found = read.load::<Found>(&mut lease);
        let found = self.connections().answer(found).await?;
        lease.keep();
        to_excerpt(found, budget)
    }
}

fn to_excerpt(found: Vec<Found>, budget: usize) -> Result<Excerpt, PostgresError> {
    let Some((identity, true, place, sequence, last_place, last_sequence, ..)) =
        found.as_slice().first()
    else {
        // Somebody else has switched it off.
        return Err(Error::no_changes().into());
    };
    let feed = to_u64(*identity)?;
    let kept = ChangePosition::new(feed, to_u64(*place)?, to_u64(*sequence)?, 0);
    // Not the horizon, although nothing can appear in front of that on this server: after a crash, or on a standby that is
    // promoted, ids of transactions come again of which nothing was stored. Those in front of a commit do not.
    let end = match (last_place, last_sequence) {
        (Some(place), Some(sequence)) => {
            ChangePosition::new(feed, to_u64(*place)?, to_u64(*sequence)? + 1, 0).max(kept)
        }
        _ => kept,
    };
    let mut commits = Vec::with_capacity(found.len());
    let mut read = 0;
    for (.., place, sequence, keys, versions, kinds) in found {
        let (Some(place), Some(sequence), Some(keys), Some(versions)) =
            (place, sequence, keys, versions)
        else {
            continue;
        };
        if keys.len() != versions.len() || kinds.as_ref().is_some_and(|it| it.len() != keys.len()) {
            return Err(corrupt().into());
        }
        let kind = |index: usize| match &kinds {
            Some(kinds) => from_letter(kinds.as_bytes()[index]),
            None => Ok(ChangeKind::Put),
        };
        let changes = keys.into_iter().zip(versions).enumerate();
        let changes = changes.map(|(index, (key, version))| {
            let key = Key::new(key).map_err(|error| corrupt().with_source(error))?;
            Ok((key, Version::new(to_u64(version)?), kind(index)?))
        });
        let commit = Commit {
            order: to_u64(place)?,
            sequence: to_u64(sequence)?,
            changes: changes.collect::<Result<_>>()?,
        };
        read += commit.changes.len();
        commits.push(commit);
    }
    Ok(Excerpt {
        kept,
        end,
        commits,
        more: read >= budget,
    })
}
