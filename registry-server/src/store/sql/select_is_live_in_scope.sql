SELECT EXISTS (SELECT 1 FROM subjects WHERE ($1 IS NULL OR context = $1) AND live > 0)
