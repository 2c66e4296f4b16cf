DROP TABLE feed;
DROP TABLE change;
