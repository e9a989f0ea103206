-- They would go with their contents, one by one.
DELETE FROM preferred_ids WHERE context = $1
