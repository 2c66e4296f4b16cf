DROP TABLE replica;
DROP TABLE cache_mode;
DROP TABLE meta;
DROP TABLE kv;
