INSERT INTO schemas (context, id, schema_type, guid, dedup_key, text) VALUES ($1, $2, $3, $4, $5, $6)
