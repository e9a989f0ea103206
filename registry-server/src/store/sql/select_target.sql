SELECT id FROM versions WHERE context = $1 AND subject = $2 AND version = $3 AND deleted <= $4
