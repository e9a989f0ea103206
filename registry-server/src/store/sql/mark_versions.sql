-- Of one subject; $3 is one version or NULL for all.
UPDATE versions SET deleted = 1
WHERE context = $1 AND subject = $2 AND ($3 IS NULL OR version = $3) AND deleted = 0
RETURNING version, id
