SELECT context, subject FROM subjects WHERE ($1 IS NULL OR context = $1) AND deleted > 0
