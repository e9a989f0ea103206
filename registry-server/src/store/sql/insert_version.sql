INSERT INTO versions (context, subject, version, id, timestamp_ms) VALUES ($1, $2, $3, $4, $5)
