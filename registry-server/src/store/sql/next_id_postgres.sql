-- Locks the context's row until the end of the transaction. No row when the last id has been given.
INSERT INTO contexts (context, last_id) VALUES ($1, 1)
ON CONFLICT (context) DO UPDATE SET last_id = contexts.last_id + 1 WHERE contexts.last_id < 2147483647
RETURNING last_id
