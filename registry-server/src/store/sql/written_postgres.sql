-- What `insert_at_once_postgres.sql` has written.
SELECT change, version, id, is_new FROM written
