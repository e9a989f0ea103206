-- Of one subject; $3 is one version or NULL for all.
DELETE FROM versions
WHERE context = $1 AND subject = $2 AND ($3 IS NULL OR version = $3) AND deleted = 1
RETURNING version, id
