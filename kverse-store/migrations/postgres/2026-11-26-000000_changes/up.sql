-- The changes of the last commits: a row for each commit. A row can be read once every transaction of a place before or
-- like its own has ended, and then no other can appear in front of it.
CREATE TABLE change (
    place BIGINT NOT NULL,          -- see change_place
    sequence BIGINT NOT NULL,       -- orders the commits of one place
    told_at BIGINT NOT NULL,
    count INTEGER NOT NULL,         -- how many changes
    keys TEXT[] NOT NULL,
    versions BIGINT[] NOT NULL,
    kinds TEXT,                     -- a letter for each change; NULL: all are puts
    PRIMARY KEY (place, sequence)
);

-- A commit of a few hundred changes still fits into the table itself.
ALTER TABLE change SET (toast_tuple_target = 8160);
ALTER TABLE change ALTER COLUMN keys SET STORAGE EXTERNAL;
ALTER TABLE change ALTER COLUMN versions SET STORAGE EXTERNAL;

CREATE SEQUENCE change_sequence CACHE 1;

-- The state of the feed: one row.
CREATE TABLE feed (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    identity BIGINT NOT NULL,       -- random; another when the feed is begun anew
    store TEXT NOT NULL,            -- the identity of the store that it belongs to
    enabled BOOLEAN NOT NULL,
    kept_place BIGINT NOT NULL,     -- the first position that has not been removed
    kept_sequence BIGINT NOT NULL
);

INSERT INTO feed (id, identity, store, enabled, kept_place, kept_sequence) VALUES (1, 0, '', false, 0, 0);

-- The place of a commit in the feed. Called when the transaction has locked all rows that it writes (the argument, the
-- number of these, has it called after them), and in plpgsql, which takes a snapshot of its own for it: whoever wrote one
-- of the rows before has ended in that snapshot, and so has a place that is not greater.
DO $do$
BEGIN
    IF to_regprocedure('pg_current_xact_id()') IS NOT NULL THEN
        CREATE FUNCTION change_place(locked BIGINT) RETURNS BIGINT LANGUAGE plpgsql VOLATILE AS $place$
        BEGIN
            RETURN GREATEST(pg_snapshot_xmax(pg_current_snapshot()), pg_current_xact_id())::text::bigint;
        END
        $place$;
    ELSE
        -- A relative of PostgreSQL without transaction ids: no feed.
        CREATE FUNCTION change_place(locked BIGINT) RETURNS BIGINT LANGUAGE plpgsql AS $place$
        BEGIN
            RETURN NULL;
        END
        $place$;
    END IF;
END
$do$;
