DELETE FROM modes WHERE scope = $1 AND context = $2 AND subject = $3
RETURNING mode
