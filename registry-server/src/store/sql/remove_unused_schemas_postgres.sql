-- Of the ids in $2, which commas divide.
DELETE FROM schemas
WHERE context = $1 AND id = ANY (string_to_array($2, ',')::bigint[])
  AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.context = $1 AND v.id = schemas.id)
