-- A table of a database that this program has not made: every migration is noted in `_sqlx_migrations`, which is the first
-- table of its own.
SELECT t.name
FROM sqlite_schema t
WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\_%' ESCAPE '\'
    AND NOT EXISTS (SELECT 1 FROM sqlite_schema m WHERE m.type = 'table' AND m.name = '_sqlx_migrations')
ORDER BY t.name
LIMIT 1
