-- Who may do what. Of a secret there is only its SHA-256. Times are microseconds since 1970.
CREATE TABLE access_token (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,           -- JSON
    secret_hash BYTEA NOT NULL,
    previous_hash BYTEA,            -- of the secret before the last rotation
    previous_until BIGINT,          -- when that one ends
    created_at BIGINT NOT NULL,
    expires_at BIGINT
);
