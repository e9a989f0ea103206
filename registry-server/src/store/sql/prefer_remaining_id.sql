-- Another id of a content whose preferred id is gone, if there is one. Equal contents have one GUID.
INSERT INTO preferred_ids (context, dedup_key, id)
SELECT context, dedup_key, max(id) FROM schemas WHERE guid = $3 AND context = $1 AND dedup_key = $2
GROUP BY context, dedup_key
ON CONFLICT (context, dedup_key) DO NOTHING
