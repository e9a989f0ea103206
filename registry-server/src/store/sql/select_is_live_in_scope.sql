SELECT EXISTS (
    SELECT 1 FROM subjects
    WHERE ($1 IS NULL OR context = $1) AND ($2 IS NULL OR subject = $2) AND live > 0)
