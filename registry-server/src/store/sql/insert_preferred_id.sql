INSERT INTO preferred_ids (context, dedup_key, id) VALUES ($1, $2, $3)
