-- A content that the id does not hold yet. SQLite takes several statements at once; parameters are shared with
-- `insert_version_sqlite.sql` or `replace_version_sqlite.sql`, which follows in the same text.
INSERT INTO contexts (context, last_id, is_listed) VALUES ($1, $5, 1)
ON CONFLICT (context) DO UPDATE SET last_id = max(last_id, excluded.last_id), is_listed = 1;
INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text, metadata, rule_set)
VALUES ($1, $5, $7, $8, $9, $10, $11, $12);
INSERT INTO preferred_ids (context, dedup_key, id) VALUES ($1, $9, $5)
ON CONFLICT (context, dedup_key) DO UPDATE SET id = excluded.id;
