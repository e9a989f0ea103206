-- Of the ids in $2, which commas divide.
DELETE FROM schemas
WHERE context = $1 AND id IN (SELECT value FROM json_each('[' || $2 || ']'))
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.context = $1 AND v.id = schemas.id)
