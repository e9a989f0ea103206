SELECT EXISTS (SELECT 1 FROM subjects WHERE context = $1 AND live > 0)
