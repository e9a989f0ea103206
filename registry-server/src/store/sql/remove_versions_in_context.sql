DELETE FROM versions WHERE context = $1 AND deleted = 1
