DELETE FROM schemas WHERE context = $1
RETURNING id
