SELECT count(*) FROM versions WHERE context = $1 AND subject = $2
