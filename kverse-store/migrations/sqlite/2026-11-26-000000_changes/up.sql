-- The changes of the last commits, in their order.
CREATE TABLE change (
    number INTEGER NOT NULL PRIMARY KEY,
    told_at INTEGER NOT NULL,       -- the time of the commit
    records BLOB NOT NULL           -- for each change: a letter for its kind, the version, the length of the key, the key
);

-- The state of the feed: one row.
CREATE TABLE feed (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    identity INTEGER NOT NULL,      -- random; another when the feed is begun anew
    enabled INTEGER NOT NULL,
    kept INTEGER NOT NULL           -- the first number that has not been removed
);

INSERT INTO feed (id, identity, enabled, kept) VALUES (1, random() & 9007199254740991, 0, 1);
