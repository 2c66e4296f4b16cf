-- Tells this store from others that use the same cache. Random, so that a store that is made anew is another one.
INSERT INTO meta (name, value) VALUES ('identity', floor(random() * 9007199254740992)::bigint);
