//! The SQL. Each statement has a text that never changes, so that it is prepared once a connection (diesel does not keep
//! the prepared statement of `sql_query`, nor of its own `on_conflict`).
//!
//! Portable to PostgreSQL's relatives: no volatile function decides about a row, time is read once a statement, and the rows of
//! a batch are in the order of their keys, so that two batches never wait for each other.

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text};

/// Declares a statement: its fields, the columns that it returns, and its text, interrupted by the fields as parameters.
macro_rules! statement {
    (
        $(#[$doc:meta])*
        $name:ident<$a:lifetime> { $($field:ident: $type:ty),* $(,)? } -> $row:ty;
        $( $text:literal $( ($($bind:ident).+: $sql_type:ty) )? )*
    ) => {
        $(#[$doc])*
        pub(super) struct $name<$a> {
            $(pub(super) $field: $type,)*
            pub(super) lifetime: std::marker::PhantomData<&$a ()>,
        }

        impl<$a> $name<$a> {
            pub(super) fn new($($field: $type),*) -> Self {
                Self { $($field,)* lifetime: std::marker::PhantomData }
            }
        }

        impl QueryFragment<Pg> for $name<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
                $(
                    out.push_sql($text);
                    $( out.push_bind_param::<$sql_type, _>(&self.$($bind).+)?; )?
                )*
                Ok(())
            }
        }

        impl QueryId for $name<'_> {
            type QueryId = $name<'static>;

            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl Query for $name<'_> {
            type SqlType = $row;
        }
    };
}

statement! {
    /// The time, in microseconds since 1970.
    ReadClock<'a> {} -> BigInt;
    "SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
}

/// Rows to store, column by column, in the order of their keys.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    pub(super) keys: Vec<&'a str>,
    pub(super) values: Vec<Option<&'a [u8]>>,
    pub(super) content_types: Vec<Option<&'a str>>,
    pub(super) expires_at: Vec<Option<i64>>,
    pub(super) write_ids: Vec<&'a [u8]>,
}

/// The changes of a transaction, in the order of its operations.
#[derive(Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) count: i32,
    pub(super) keys: Vec<&'a str>,
    pub(super) versions: Vec<i64>,
    pub(super) kinds: String,
}

statement! {
    /// Unconditional puts of different keys, unless the time is past `fence`: what [`kverse_core::row::apply`] says, in one
    /// statement. The row that is proposed has the time as its version, which is how the update knows it.
    ///
    /// Returns key, version, whether there was an entry, expiry, and the time. Gives no row for a write that was done
    /// before. What was put is one row of the feed, if that is kept.
    Put<'a> {
        columns: &'a Columns<'a>,
        lifetimes: Vec<Option<i64>>,
        fence: i64,
        feed: bool,
    } -> (Text, BigInt, Bool, Nullable<BigInt>, BigInt);
    "WITH t AS MATERIALIZED \
     (SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now), \
     put AS (INSERT INTO kv (key, value, content_type, version, expires_at, write_id, existed) \
     SELECT p.key, p.value, p.content_type, t.now, \
     CASE WHEN p.lifetime IS NULL THEN p.expires_at ELSE LEAST(t.now + p.lifetime, 253402300799999999) END, \
     p.write_id, false \
     FROM UNNEST(" (columns.keys: Array<Text>)
    ", " (columns.values: Array<Nullable<Binary>>)
    ", " (columns.content_types: Array<Nullable<Text>>)
    ", " (columns.expires_at: Array<Nullable<BigInt>>)
    ", " (lifetimes: Array<Nullable<BigInt>>)
    ", " (columns.write_ids: Array<Binary>)
    ") AS p (key, value, content_type, expires_at, lifetime, write_id), t \
     WHERE t.now < " (fence: BigInt)
    " ORDER BY p.key COLLATE \"C\" \
     ON CONFLICT (key) DO UPDATE SET \
     value = EXCLUDED.value, \
     content_type = EXCLUDED.content_type, \
     version = GREATEST(kv.version + 1, EXCLUDED.version), \
     expires_at = EXCLUDED.expires_at, \
     write_id = EXCLUDED.write_id, \
     existed = kv.value IS NOT NULL AND (kv.expires_at IS NULL OR kv.expires_at > EXCLUDED.version), \
     deleted_at = NULL \
     WHERE kv.write_id <> EXCLUDED.write_id \
     RETURNING key, version, existed, expires_at), \
     told AS (INSERT INTO change (place, sequence, told_at, count, keys, versions) \
     SELECT change_place(count(*)), nextval('change_sequence'), (SELECT now FROM t), count(*), \
     array_agg(key), array_agg(version) FROM put HAVING count(*) > 0 AND " (feed: Bool)
    ") SELECT key, version, existed, expires_at, (SELECT now FROM t) FROM put"
}

statement! {
    /// Locks the rows of keys in order, and makes those that are not there, so that they can be locked too. Returns the
    /// keys of those it made.
    Lock<'a> { keys: &'a [&'a str] } -> Text;
    "INSERT INTO kv (key, version, write_id, existed, deleted_at) \
     SELECT p.key, 0, '\\x00000000000000000000000000000000'::bytea, false, 0 FROM UNNEST(" (keys: Array<Text>)
    ") AS p (key) ORDER BY p.key COLLATE \"C\" \
     ON CONFLICT (key) DO UPDATE SET existed = kv.existed WHERE false \
     RETURNING key"
}

statement! {
    /// The rows of keys, with the values of some of them, and the time.
    Load<'a> { keys: &'a [&'a str], with_value: &'a [&'a str] } -> (
        Text,
        Nullable<Binary>,
        Nullable<Text>,
        BigInt,
        Nullable<BigInt>,
        Binary,
        Bool,
        BigInt,
    );
    "SELECT key, CASE WHEN value IS NULL OR key = ANY(" (with_value: Array<Text>)
    ") THEN value ELSE ''::bytea END, content_type, version, expires_at, write_id, existed, \
     (extract(epoch FROM statement_timestamp()) * 1000000)::bigint \
     FROM kv WHERE key = ANY(" (keys: Array<Text>) ")"
}

statement! {
    /// Replaces rows that are locked, unless the time is past `fence`. Returns how many. All changes of them are one row of
    /// the feed, if that is kept.
    Replace<'a> {
        columns: &'a Columns<'a>,
        versions: Vec<i64>,
        existed: Vec<bool>,
        fence: i64,
        told: &'a Told<'a>,
        feed: bool,
    } -> BigInt;
    "WITH t AS MATERIALIZED \
     (SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now), \
     replaced AS (UPDATE kv SET \
     value = p.value, \
     content_type = p.content_type, \
     version = p.version, \
     expires_at = p.expires_at, \
     write_id = p.write_id, \
     existed = p.existed, \
     deleted_at = CASE WHEN p.value IS NULL THEN t.now END \
     FROM UNNEST(" (columns.keys: Array<Text>)
    ", " (columns.values: Array<Nullable<Binary>>)
    ", " (columns.content_types: Array<Nullable<Text>>)
    ", " (columns.expires_at: Array<Nullable<BigInt>>)
    ", " (columns.write_ids: Array<Binary>)
    ", " (versions: Array<BigInt>)
    ", " (existed: Array<Bool>)
    ") AS p (key, value, content_type, expires_at, write_id, version, existed), t \
     WHERE kv.key = p.key AND t.now < " (fence: BigInt)
    " RETURNING kv.key), \
     told AS (INSERT INTO change (place, sequence, told_at, count, keys, versions, kinds) \
     SELECT change_place(count(*)), nextval('change_sequence'), (SELECT now FROM t), " (told.count: Integer)
    ", " (told.keys: Array<Text>)
    ", " (told.versions: Array<BigInt>)
    ", " (told.kinds: Text)
    " FROM replaced HAVING count(*) > 0 AND " (feed: Bool)
    ") SELECT count(*) FROM replaced"
}

statement! {
    /// Removes rows that [`Lock`] made and nothing was stored in.
    Unlock<'a> { keys: &'a [&'a str] } -> ();
    "DELETE FROM kv WHERE version = 0 AND key = ANY(" (keys: Array<Text>) ")"
}

statement! {
    /// The last writes of keys: key, write id, version, whether there was an entry, expiry.
    LastWrites<'a> { keys: &'a [&'a str] } -> (Text, Binary, BigInt, Bool, Nullable<BigInt>);
    "SELECT key, write_id, version, existed, expires_at FROM kv WHERE key = ANY(" (keys: Array<Text>) ")"
}

statement! {
    /// The entry of a key, if there is one.
    Get<'a> { key: &'a str } -> (Nullable<Binary>, Nullable<Text>, BigInt, Nullable<BigInt>);
    "SELECT value, content_type, version, expires_at FROM kv \
     WHERE value IS NOT NULL AND (expires_at IS NULL \
     OR expires_at > (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) \
     AND key = " (key: Text)
}

statement! {
    /// The entries of keys, those that there are, in any order.
    GetMany<'a> { keys: &'a [&'a str] } -> (Text, Nullable<Binary>, Nullable<Text>, BigInt, Nullable<BigInt>);
    "SELECT key, value, content_type, version, expires_at FROM kv \
     WHERE value IS NOT NULL AND (expires_at IS NULL \
     OR expires_at > (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) \
     AND key = ANY(" (keys: Array<Text>) ")"
}

statement! {
    /// Rows of a scan without values. Size and liveness are known without reading the value.
    ListKeys<'a> { from: &'a str, before: &'a str, limit: i64 }
        -> (Text, BigInt, Nullable<BigInt>, Nullable<Text>, Nullable<BigInt>, Nullable<Binary>, Bool);
    "SELECT key, version, octet_length(value)::bigint, content_type, expires_at, NULL::bytea, \
     value IS NOT NULL AND (expires_at IS NULL \
     OR expires_at > (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) \
     FROM kv WHERE key >= " (from: Text)
    " AND key < " (before: Text)
    " ORDER BY key LIMIT " (limit: BigInt)
}

statement! {
    /// Rows of a scan with values. Once keys and values have `bytes` bytes, further rows come without: their values are
    /// not read.
    ListValues<'a> { bytes: i64, from: &'a str, before: &'a str, limit: i64 }
        -> (Text, BigInt, Nullable<BigInt>, Nullable<Text>, Nullable<BigInt>, Nullable<Binary>, Bool);
    "SELECT key, version, size, content_type, expires_at, \
     CASE WHEN live AND COALESCE(sum(octet_length(key) + size) FILTER (WHERE live) \
     OVER (ORDER BY key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) < " (bytes: BigInt)
    " THEN value END, live FROM (\
     SELECT key, version, octet_length(value)::bigint AS size, content_type, expires_at, value, \
     value IS NOT NULL AND (expires_at IS NULL \
     OR expires_at > (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) AS live \
     FROM kv WHERE key >= " (from: Text)
    " AND key < " (before: Text)
    " ORDER BY key LIMIT " (limit: BigInt)
    ") AS page ORDER BY key"
}

statement! {
    /// How many of the first `limit` rows of a range are entries, how many rows these are, and the last of their keys.
    CountKeys<'a> { from: &'a str, before: &'a str, limit: i64 } -> (BigInt, BigInt, Nullable<Text>);
    "SELECT count(*) FILTER (WHERE live), count(*), max(key) FROM (\
     SELECT key, value IS NOT NULL AND (expires_at IS NULL \
     OR expires_at > (extract(epoch FROM statement_timestamp()) * 1000000)::bigint) AS live \
     FROM kv WHERE key >= " (from: Text)
    " AND key < " (before: Text)
    " ORDER BY key LIMIT " (limit: BigInt)
    ") AS counted"
}

statement! {
    /// How many entries there are, how many rows were counted for that, and the time.
    Count<'a> {} -> (BigInt, BigInt, BigInt);
    "SELECT count(*) FILTER (WHERE value IS NOT NULL AND (expires_at IS NULL \
     OR expires_at > (extract(epoch FROM statement_timestamp()) * 1000000)::bigint)), \
     count(*), (extract(epoch FROM statement_timestamp()) * 1000000)::bigint FROM kv"
}

statement! {
    /// A write that shows that writes work. Returns what was written.
    Probe<'a> {} -> BigInt;
    "INSERT INTO meta (name, value) \
     SELECT 'probed_at', (extract(epoch FROM statement_timestamp()) * 1000000)::bigint \
     ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value RETURNING value"
}

statement! {
    /// Takes the turn of a sweep that is due, so that of all replicas one does it. Returns a row if this is the one.
    ClaimSweep<'a> { interval: i64 } -> BigInt;
    "INSERT INTO meta (name, value) \
     SELECT 'swept_at', (extract(epoch FROM statement_timestamp()) * 1000000)::bigint \
     ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value \
     WHERE meta.value <= EXCLUDED.value - " (interval: BigInt)
    " OR meta.value > EXCLUDED.value RETURNING value"
}

statement! {
    /// Turns some expired rows into tombstones, as [`kverse_core::row::Row::tombstone`] says, but with an id that no
    /// write has. Returns how many. They are one row of the feed, if that is kept.
    BuryExpired<'a> { limit: i64, feed: bool } -> BigInt;
    "WITH t AS MATERIALIZED \
     (SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now), \
     due AS MATERIALIZED (SELECT key FROM kv \
     WHERE expires_at <= (SELECT now FROM t) ORDER BY expires_at LIMIT " (limit: BigInt)
    "), buried AS (UPDATE kv SET value = NULL, content_type = NULL, version = GREATEST(kv.version + 1, t.now), \
     expires_at = NULL, write_id = '\\x00000000000000000000000000000000'::bytea, existed = true, \
     deleted_at = t.now \
     FROM (SELECT key FROM due ORDER BY key) AS due, t \
     WHERE kv.key = due.key AND kv.expires_at <= t.now RETURNING kv.key, kv.version), \
     told AS (INSERT INTO change (place, sequence, told_at, count, keys, versions, kinds) \
     SELECT change_place(count(*)), nextval('change_sequence'), (SELECT now FROM t), count(*), \
     array_agg(key), array_agg(version), repeat('e', count(*)::integer) \
     FROM buried HAVING count(*) > 0 AND " (feed: Bool)
    ") SELECT count(*) FROM buried"
}

statement! {
    /// Removes some tombstones that are older than this many microseconds.
    RemoveTombstones<'a> { retention: i64, limit: i64 } -> ();
    "WITH t AS MATERIALIZED \
     (SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint - " (retention: BigInt)
    " AS kept_since), \
     due AS MATERIALIZED (SELECT key FROM kv \
     WHERE deleted_at < (SELECT kept_since FROM t) ORDER BY deleted_at LIMIT " (limit: BigInt)
    ") DELETE FROM kv USING (SELECT key FROM due ORDER BY key) AS due, t \
     WHERE kv.key = due.key AND kv.deleted_at < t.kept_since"
}

statement! {
    /// The mode of the shared cache: revision, epoch, mode, run id, and whether it was set in this run of the database.
    ReadMode<'a> {} -> (BigInt, BigInt, Text, Text, Bool);
    "SELECT revision, epoch, mode, run_id, database_run = database_run() FROM cache_mode WHERE id = 1"
}

statement! {
    /// Switches the shared cache off if the mode was set in another run of the database: since then the data may have been
    /// replaced by older data, and what the cache holds is from another future. Epochs go on from the time, so that none
    /// is used twice. A register that was never used stays at revision 0.
    AdoptMode<'a> {} -> ();
    "UPDATE cache_mode SET revision = CASE WHEN revision = 0 THEN 0 ELSE revision + 1 END, mode = 'off', \
     epoch = GREATEST(epoch, (extract(epoch FROM statement_timestamp()) * 1000)::bigint), \
     changed_at = (extract(epoch FROM statement_timestamp()) * 1000000)::bigint, \
     database_run = database_run() WHERE id = 1 AND database_run <> database_run()"
}

statement! {
    /// Replaces the mode of the shared cache if its revision is still the expected one, in this run of the database.
    SwapMode<'a> { revision: i64, epoch: i64, mode: &'a str, run_id: &'a str, expected: i64 } -> ();
    "UPDATE cache_mode SET revision = " (revision: BigInt)
    ", epoch = " (epoch: BigInt)
    ", mode = " (mode: Text)
    ", run_id = " (run_id: Text)
    ", changed_at = (extract(epoch FROM statement_timestamp()) * 1000000)::bigint \
     WHERE id = 1 AND database_run = database_run() AND revision = " (expected: BigInt)
}

statement! {
    /// Says that a replica is alive, and forgets those that have not said so for long. Returns how many others are alive,
    /// how many of these have reached a revision, and the time.
    Beat<'a> {
        replica: &'a [u8], revision: i64, forget_after: i64, other_than: &'a [u8], reached: i64, alive_within: i64,
    } -> (BigInt, BigInt, BigInt);
    "WITH t AS MATERIALIZED \
     (SELECT (extract(epoch FROM statement_timestamp()) * 1000000)::bigint AS now), \
     seen AS (INSERT INTO replica (id, revision, seen_at) SELECT " (replica: Binary)
    ", " (revision: BigInt)
    ", t.now FROM t ON CONFLICT (id) DO UPDATE SET revision = EXCLUDED.revision, seen_at = EXCLUDED.seen_at), \
     gone AS (DELETE FROM replica USING t WHERE replica.seen_at < t.now - " (forget_after: BigInt)
    " AND replica.id <> " (other_than: Binary)
    ") SELECT count(o.id), count(o.id) FILTER (WHERE o.revision >= " (reached: BigInt)
    "), min(t.now) FROM t LEFT JOIN replica AS o ON o.seen_at >= t.now - " (alive_within: BigInt)
    " AND o.id <> " (other_than: Binary)
}

statement! {
    /// The random identity of the store, and the number of its database.
    ReadIdentity<'a> {} -> (BigInt, BigInt);
    "SELECT m.value, d.oid::bigint FROM meta AS m, pg_database AS d WHERE m.name = 'identity' AND d.datname = current_database()"
}

statement! {
    /// The locale of messages, and the user, as an identifier.
    ReadLanguage<'a> {} -> (Text, Text);
    "SELECT current_setting('lc_messages'), quote_ident(current_user)"
}

statement! {
    /// Whether the database server tells its number.
    TellsSystem<'a> {} -> Bool;
    "SELECT coalesce(has_function_privilege(to_regprocedure('pg_control_system()'), 'EXECUTE'), false)"
}

statement! {
    /// The number of the database server.
    ReadSystem<'a> {} -> BigInt;
    "SELECT system_identifier FROM pg_control_system()"
}

statement! {
    /// Whether the database knows the ids and snapshots of transactions, which the feed is made of.
    KnowsTransactions<'a> {} -> Bool;
    "SELECT to_regprocedure('pg_current_xact_id()') IS NOT NULL \
     AND to_regprocedure('pg_snapshot_xmin(pg_snapshot)') IS NOT NULL"
}

statement! {
    /// Whether the feed belongs to this store, and whether it is kept.
    ReadFeed<'a> { store: &'a str } -> (Bool, Bool);
    "SELECT store = " (store: Text) ", enabled FROM feed WHERE id = 1"
}

statement! {
    /// Begins the feed anew, with another identity, unless it is already this store's and kept or not as wanted. Returns a row
    /// if it was done.
    RenewFeed<'a> { store: &'a str, enabled: bool } -> BigInt;
    "WITH want AS (SELECT " (store: Text) " AS store, " (enabled: Bool) " AS enabled) \
     UPDATE feed SET identity = floor(random() * 9007199254740992)::bigint, store = want.store, \
     enabled = want.enabled, kept_place = pg_snapshot_xmax(pg_current_snapshot())::text::bigint, kept_sequence = 0 \
     FROM want WHERE id = 1 AND (feed.store <> want.store OR feed.enabled <> want.enabled) RETURNING identity"
}

statement! {
    /// Removes some rows from before the feed was begun, and some that seem to be from the future: they come from another
    /// server, of which this one is a copy. Returns how many.
    RemoveOldFeed<'a> { limit: i64 } -> BigInt;
    "WITH f AS MATERIALIZED (SELECT kept_place, pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS future \
     FROM feed WHERE id = 1), \
     old AS MATERIALIZED (SELECT place, sequence FROM change, f \
     WHERE place < f.kept_place OR place > f.future LIMIT " (limit: BigInt)
    "), gone AS (DELETE FROM change USING old \
     WHERE change.place = old.place AND change.sequence = old.sequence RETURNING 1) SELECT count(*) FROM gone"
}

statement! {
    /// The state of the feed, and the commits from a position on that can be told: those that have fewer than `budget`
    /// changes in front of them. All in one snapshot. Returns identity, whether it is kept, first position, last place,
    /// and for each commit, or once with NULL, its place, sequence, keys, versions and kinds.
    ReadChanges<'a> { place: i64, sequence: i64, rows: i64, budget: i64 } -> (
        BigInt, Bool, BigInt, BigInt, BigInt,
        Nullable<BigInt>, Nullable<BigInt>, Nullable<Array<Text>>, Nullable<Array<BigInt>>, Nullable<Text>,
    );
    "WITH h AS MATERIALIZED (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS horizon) \
     SELECT f.identity, f.enabled, f.kept_place, f.kept_sequence, h.horizon, \
     c.place, c.sequence, c.keys, c.versions, c.kinds \
     FROM feed AS f CROSS JOIN h LEFT JOIN (\
     SELECT place, sequence, keys, versions, kinds, COALESCE(sum(count) \
     OVER (ORDER BY place, sequence ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before FROM (\
     SELECT * FROM change WHERE (place, sequence) >= (" (place: BigInt) ", " (sequence: BigInt)
    ") AND place < (SELECT horizon FROM h) ORDER BY place, sequence LIMIT " (rows: BigInt)
    ") AS ahead) AS c ON c.before < " (budget: BigInt)
    " WHERE f.id = 1 ORDER BY c.place, c.sequence"
}

statement! {
    /// Removes commits from the beginning of the feed: some that are older than this many microseconds, or of which
    /// so many followed. Remembers up to where. Returns how many.
    CompactFeed<'a> { limit: i64, retention: i64, kept: i64 } -> BigInt;
    "WITH first AS MATERIALIZED (SELECT place, sequence, told_at FROM change \
     WHERE (place, sequence) >= (SELECT kept_place, kept_sequence FROM feed WHERE id = 1) \
     AND place < (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint) \
     ORDER BY place, sequence LIMIT " (limit: BigInt)
    "), last AS MATERIALIZED (SELECT place, sequence FROM first \
     WHERE told_at < (extract(epoch FROM statement_timestamp()) * 1000000)::bigint - " (retention: BigInt)
    " OR sequence <= (SELECT last_value FROM change_sequence) - " (kept: BigInt)
    " ORDER BY place DESC, sequence DESC LIMIT 1), \
     moved AS (UPDATE feed SET kept_place = last.place, kept_sequence = last.sequence + 1 FROM last \
     WHERE id = 1 AND (kept_place, kept_sequence) <= (last.place, last.sequence) RETURNING 1), \
     gone AS (DELETE FROM change USING first, last WHERE change.place = first.place \
     AND change.sequence = first.sequence AND (first.place, first.sequence) <= (last.place, last.sequence) \
     RETURNING 1) \
     SELECT count(*) FROM gone"
}
