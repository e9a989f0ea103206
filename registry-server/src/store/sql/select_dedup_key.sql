SELECT dedup_key FROM schemas WHERE context = $1 AND id = $2
