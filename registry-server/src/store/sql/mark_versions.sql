UPDATE versions SET deleted = 1
WHERE context = $1 AND subject = $2 AND deleted = 0
RETURNING version, id
