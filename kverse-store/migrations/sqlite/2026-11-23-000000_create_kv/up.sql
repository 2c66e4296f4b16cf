-- The last write of each key. Times and versions are microseconds since 1970.
CREATE TABLE kv (
    key TEXT NOT NULL PRIMARY KEY,  -- BINARY collation: byte order
    value BLOB,                     -- NULL: a tombstone, which keeps the version of a deleted key
    content_type TEXT,
    version INTEGER NOT NULL,
    expires_at INTEGER,
    write_id BLOB NOT NULL,
    existed INTEGER NOT NULL        -- what the write replaced: 1 an entry, 0 nothing, 2 nothing but an expired entry
);

CREATE INDEX kv_expiry ON kv (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX kv_tombstones ON kv (version) WHERE value IS NULL;

-- Facts about the store itself.
CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
