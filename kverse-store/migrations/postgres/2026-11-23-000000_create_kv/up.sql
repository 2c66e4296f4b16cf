-- The last write of each key. Times and versions are microseconds since 1970.
CREATE TABLE kv (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,  -- byte order
    value BYTEA,                -- NULL: a tombstone, which keeps the version of a deleted key
    content_type TEXT,
    version BIGINT NOT NULL,
    expires_at BIGINT,
    write_id BYTEA NOT NULL,
    existed BOOLEAN NOT NULL,   -- whether there was an entry before the write
    deleted_at BIGINT           -- in a tombstone: when it was made
) WITH (fillfactor = 85);       -- room on each page for the next version of its rows

-- Values are stored as they come: compressing them again costs more than the write itself.
ALTER TABLE kv ALTER COLUMN value SET STORAGE EXTERNAL;

-- Neither index has a column that a plain put changes: such a put touches no index (a heap-only tuple).
CREATE INDEX kv_expiry ON kv (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX kv_tombstones ON kv (deleted_at) WHERE deleted_at IS NOT NULL;

-- Facts about the store itself.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

-- How the replicas use the shared cache: one row.
CREATE TABLE cache_mode (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    mode TEXT NOT NULL CHECK (mode IN ('on', 'warming', 'off')),
    run_id TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

INSERT INTO cache_mode (id, revision, epoch, mode, run_id, changed_at) VALUES (1, 0, 0, 'off', '', 0);

-- The replicas that are alive.
CREATE TABLE replica (
    id BYTEA NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,   -- of cache_mode: all writes of this replica under older ones are done
    seen_at BIGINT NOT NULL
);
