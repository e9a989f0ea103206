-- What `insert_at_once_postgres.sql` has written; NULL when something has moved.
SELECT change, version, id, is_new FROM written
UNION ALL SELECT NULL, NULL, NULL, NULL FROM looked WHERE NOT stands
