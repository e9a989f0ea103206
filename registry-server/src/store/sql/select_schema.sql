SELECT schema_type, guid, dedup_key, text
FROM schemas
WHERE context = $1 AND id = $2
