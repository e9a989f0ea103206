INSERT INTO preferred_ids (context, dedup_key, id) VALUES ($1, $2, $3)
ON CONFLICT (context, dedup_key) DO UPDATE SET id = excluded.id
