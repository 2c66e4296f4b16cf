-- Who may do what. Of a secret there is only its SHA-256. Times are microseconds since 1970.
CREATE TABLE access_token (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,           -- JSON
    secret_hash BLOB NOT NULL,
    previous_hash BLOB,             -- of the secret before the last rotation
    previous_until INTEGER,         -- when that one ends
    created_at INTEGER NOT NULL,
    expires_at INTEGER
);
