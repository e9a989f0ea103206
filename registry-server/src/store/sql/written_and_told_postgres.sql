-- What `insert_at_once_postgres.sql` has written; NULL when something has moved. All nodes are told of an id that was
-- there, since its uses have changed.
SELECT change, version, id, is_new,
       CASE WHEN NOT is_new THEN pg_notify('schema_registry_uses', id || ' ' || $1) END
FROM written
UNION ALL SELECT NULL, NULL, NULL, NULL, NULL FROM looked WHERE NOT stands
