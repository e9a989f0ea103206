DELETE FROM schemas
WHERE context = $1 AND id = $2
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.context = $1 AND v.id = $2)
RETURNING dedup_key, guid
