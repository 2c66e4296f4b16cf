DROP FUNCTION change_place(BIGINT);
DROP TABLE feed;
DROP TABLE change;
DROP SEQUENCE change_sequence;
