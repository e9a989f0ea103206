-- The versions of an id, found without the table. With the key alone, SQLite's planner takes the primary key for the
-- better way and walks through all versions of the context.
DROP INDEX versions_by_id;
CREATE INDEX versions_by_id ON versions (context, id, subject, version, deleted, timestamp_ms);
