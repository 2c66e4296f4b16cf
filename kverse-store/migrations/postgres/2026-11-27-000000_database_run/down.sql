DELETE FROM meta WHERE name = 'schema 20261127000000';
DROP FUNCTION database_run();
ALTER TABLE cache_mode DROP COLUMN database_run;
