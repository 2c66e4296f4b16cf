-- Run once, by the superuser, when the database is made: the servers and the exporter get roles of their own.
\getenv kverse_password KVERSE_DATABASE_PASSWORD
\getenv exporter_password EXPORTER_DATABASE_PASSWORD
CREATE ROLE kverse LOGIN PASSWORD :'kverse_password';
CREATE DATABASE kverse OWNER kverse;
CREATE ROLE exporter LOGIN PASSWORD :'exporter_password' CONNECTION LIMIT 5;
GRANT pg_monitor TO exporter;
