-- A content that the context has not seen. SQLite takes several statements at once; parameters are shared with
-- `insert_version_sqlite.sql`, which follows in the same text.
INSERT INTO contexts (context) VALUES ($1) ON CONFLICT (context) DO NOTHING;
INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text) VALUES ($1, $5, $7, $8, $9, $10);
INSERT INTO preferred_ids (context, dedup_key, id) VALUES ($1, $9, $5);
UPDATE contexts SET last_id = $5 WHERE context = $1;
