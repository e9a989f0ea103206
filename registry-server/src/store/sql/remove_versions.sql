DELETE FROM versions
WHERE context = $1 AND subject = $2 AND deleted = 1
RETURNING version, id
