-- The run of the database in which the shared cache was last found to be in step with it, see database_run. Empty for a
-- database that comes from before there was this column, also from a backup: then the cache is not.
ALTER TABLE cache_mode ADD COLUMN database_run TEXT NOT NULL DEFAULT '';

-- Is another whenever the data may have gone back to an earlier state: the server was started (on a copy of its files, up to
-- an earlier time, or another server took its place), or the table was filled anew (from a dump).
DO $do$
BEGIN
    IF version() LIKE 'PostgreSQL %' AND version() NOT LIKE '%-YB-%' THEN
        CREATE FUNCTION database_run() RETURNS TEXT LANGUAGE sql STABLE AS $run$
            SELECT (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint::text
                || ' ' || pg_relation_filenode('kv')::text
        $run$;
    ELSE
        -- A relative of PostgreSQL: its nodes are started at different times and are one database.
        CREATE FUNCTION database_run() RETURNS TEXT LANGUAGE sql STABLE AS $run$
            SELECT 'unknown'::text
        $run$;
    END IF;
END
$do$;

-- Servers that know no later schema than this go on working.
INSERT INTO meta (name, value) VALUES ('schema 20261127000000', 20261126000000);
