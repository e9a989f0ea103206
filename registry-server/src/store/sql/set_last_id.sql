UPDATE contexts SET last_id = $2 WHERE context = $1
