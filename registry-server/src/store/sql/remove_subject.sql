DELETE FROM subjects WHERE context = $1 AND subject = $2
